/**
 * What an attempt has cost. Pure. What is not known is null with the reason, and never 0.
 * @module
 */
import type { JobEstimate, JobStatus } from '../openai/index.ts'
import { BY_THE_HOUR } from './estimate.ts'
import { costOf } from './money.ts'

export interface Charge {
  /** Dollars. */
  usd: number | null
  /** Why it is not known. */
  missing: string | null
}

/** Nothing has been done that anyone bills. */
export const NOTHING: Charge = { usd: 0, missing: null }
const unknown = (missing: string): Charge => ({ usd: null, missing })

/**
 * Who bills nothing for a job that fails; of the others it is not known.
 * Sources: https://platform.openai.com/docs/guides/supervised-fine-tuning,
 * https://learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning-cost-management
 */
const FREE_FAILURES: readonly string[] = ['openai', 'azure']

/** An attempt that a provider has brought to an end. */
export interface Ended {
  provider: string
  status: JobStatus
  trainedTokens: number | null
  estimate: JobEstimate | { missing: string }
}

/** What a provider bills for an attempt: what it trained, of a cancelled job until then (OpenAI, Azure). */
export const chargeFor = ({ provider, status, trainedTokens, estimate }: Ended): Charge => {
  if (status === 'failed')
    return FREE_FAILURES.includes(provider)
      ? NOTHING
      : unknown(`Whether '${provider}' bills a job that failed is not known.`)
  const price = 'missing' in estimate ? null : estimate.price
  if (!price) return unknown('missing' in estimate ? estimate.missing : (estimate.price_missing ?? ''))
  if (price.unit !== 'training_token') return unknown(BY_THE_HOUR)
  // A provider's word may be anything: a negative number would make room in budgets.
  if (trainedTokens === null || !Number.isSafeInteger(trainedTokens) || trainedTokens < 0)
    return unknown(`'${provider}' does not tell how many tokens it trained.`)
  return { usd: costOf(trainedTokens, price), missing: null }
}
