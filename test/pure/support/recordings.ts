/**
 * Requests recorded from the official client against a local server, where the folder is there: a judge of what the
 * gateway sends and takes. `OPENAI_RECORDINGS` names another folder.
 */
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Recorded {
  method: string
  path: string
  query: Record<string, string>
  headers: [string, string][]
  body: string
  bodyJson?: unknown
  reply: { status: number; body: string }
}

const FOLDER =
  process.env.OPENAI_RECORDINGS ??
  fileURLToPath(new URL('../../../../shared/reference/recordings', import.meta.url))

export const hasRecordings = existsSync(FOLDER)

/** The first request of a recording, such as `files.create`. */
export const recorded = (operation: string): Recorded => {
  const { requests } = JSON.parse(readFileSync(`${FOLDER}/openai.${operation}.json`, 'utf8')) as {
    requests: Recorded[]
  }
  const [first] = requests
  if (!first) throw new Error(`openai.${operation}.json holds no request`)
  return first
}

export const replyOf = (operation: string): unknown => JSON.parse(recorded(operation).reply.body)
