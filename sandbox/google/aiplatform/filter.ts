/** List filters (AIP-160), as far as tuning jobs know them: `state="…" AND labels.key=value AND labels.key:*`. */
import { GoogleError } from '../errors.ts'
import type { TuningJob } from './tuning-job.ts'

const TERM =
  /^\s*(?:state\s*=\s*"?(JOB_STATE_[A-Z_]+)"?|labels\.("?)([\p{Ll}\p{Lo}\p{N}_-]+)\2\s*(?:(:\s*\*)|=\s*(?:"([^"]*)"|([^\s"]+))))\s*$/u

/** @throws {GoogleError} INVALID_ARGUMENT for a filter that is not understood */
export function jobFilter(text: string): (job: TuningJob) => boolean {
  if (text.trim() === '') return () => true
  const terms = text.split(/\s+AND\s+/).map(termOf)
  return job => terms.every(holds => holds(job))
}

function termOf(term: string): (job: TuningJob) => boolean {
  const match = TERM.exec(term)
  if (!match) throw new GoogleError('INVALID_ARGUMENT', `Invalid filter expression: ${term}`)
  const [, state, , label = '', any, quoted, plain] = match
  if (state !== undefined) return job => job.state === state
  if (any !== undefined) return ({ request }) => label in request.labels
  return ({ request }) => request.labels[label] === (quoted ?? plain)
}
