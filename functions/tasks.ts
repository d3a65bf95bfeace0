/**
 * The queue's consumer: one step of work a message.
 * @module
 */
import type { Context } from '../shared/context.ts'
import { continueCopy, continueIntake } from '../shared/datasets/index.ts'
import type { Task } from '../shared/platform/index.ts'
import { advanceBatch, advanceJob } from '../shared/training/index.ts'
import { deliver } from '../shared/webhooks/index.ts'
import { logFailure } from './http.ts'

/** Does one step for the record of this id. Steps may be repeated, and may come when there is nothing left to do. */
export type Step = (context: Context, id: string) => Promise<void>

/** Every kind of step there is. */
const STEPS: Readonly<Record<string, Step>> = {
  batch: advanceBatch,
  copy: continueCopy,
  intake: continueIntake,
  job: async (context, id) => void (await advanceJob(context, id)),
  webhook: deliver,
}

/** Carries out a step. @returns whether it is done with; if not, it is to be tried again */
export const runTask = async (context: Context, { type, id }: Task): Promise<boolean> => {
  const step = Object.hasOwn(STEPS, type) ? STEPS[type] : undefined
  // A message of another version of the gateway: the schedule finds its work if there is any.
  if (!step) return true
  try {
    await step(context, id)
    return true
  } catch (error) {
    logFailure(`${type} ${id}`, error)
    return false
  }
}
