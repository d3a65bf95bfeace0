/**
 * The work on copies, by whoever does it: a request that waits, a task that goes on, the schedule that finds what was left lying.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ApiError } from '../openai/index.ts'
import { listDue } from '../platform/index.ts'
import { asAnswerError, ProviderFault, reconnect, TransferLost } from '../providers/index.ts'
import { claim, release, save } from './copy-lease.ts'
import { COPIES, type CopyRecord } from './copy-records.ts'
import { abortSession, COPY_STEPS, type Hold, isSourceChanged, restarted } from './copying.ts'
import { LeaseLost } from './lease.ts'
import { FILES } from './records.ts'

/** The name of the task that goes on with a copy. */
const TASK = 'copy'
/** Failures in a row after which a copy is given up; a deletion is tried longer. */
const MOST_FAILURES = 8
const MOST_DELETIONS = 20
/** Failures in a row of our own store or bucket after which a copy is left to a later attempt. */
const MOST_HICCUPS = 3
/** Times that all parts are sent anew. */
const MOST_RESTARTS = 3
/** Seconds to the next attempt: doubled with each failure. */
const FIRST_DELAY = 30
const LONGEST_DELAY = 6 * 3600
/** Seconds for which a failure waits to be told. */
const FAILURE_KEPT = 24 * 3600
/** Milliseconds that one tick of the schedule spends on copies. */
const TICK_MS = 20_000

const delayAfter = (failures: number) => Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures)

/** Whether the same step may succeed later: everything but a refusal. */
const isPassing = (error: unknown): boolean => {
  if (error instanceof ProviderFault) return !error.refused || error.status === 429
  if (error instanceof ApiError) return error.status >= 500 || error.code === 'credentials_required'
  return true
}

/** Sends a copy on its way again, if it may; else the failure is what becomes of it. */
const restart = async (hold: Hold, error: unknown): Promise<CopyRecord | undefined> => {
  const { context, copy } = hold
  if (copy.restarts >= MOST_RESTARTS) return undefined
  await abortSession(hold, copy).catch(() => undefined)
  return save(context, copy, restarted(copy, isSourceChanged(error)))
}

/** An error as it is kept for whoever asks next. */
const keptError = (error: unknown): NonNullable<CopyRecord['error']> => {
  const answer = asAnswerError(error)
  if (!(answer instanceof ApiError))
    return { status: 500, code: 'internal_error', message: 'The copy failed.', param: null }
  const { status, code, message, param } = answer
  return { status, code, message, param }
}

/**
 * Gives a copy up. Nothing is left at the provider, now or as soon as it lets that happen.
 * @param isTold whether someone hears of the error now
 */
const giveUp = async (hold: Hold, error: unknown, isTold: boolean): Promise<void> => {
  const { context, copy } = hold
  const isAborted = await abortSession(hold, copy).then(
    () => true,
    () => false,
  )
  const now = nowSeconds(context)
  await release(context, copy, {
    session: isAborted ? null : copy.session,
    failures: 0,
    // What cannot be taken away now is a deletion that is tried again.
    ...(isTold || !isAborted
      ? { state: 'deleting' as const, due_at: now }
      : { state: 'failed' as const, error: keptError(error), due_at: now + FAILURE_KEPT }),
  })
  if (isTold && isAborted) await COPIES.delete(context.platform.store, copy.id)
}

/** What follows from a step that failed. */
const fail = async (hold: Hold, error: unknown, isTold: boolean): Promise<void> => {
  const { context, copy } = hold
  const failures = copy.failures + 1
  const due_at = nowSeconds(context) + delayAfter(copy.failures)
  if (copy.state === 'deleting') {
    await release(context, copy, { failures, due_at: failures < MOST_DELETIONS ? due_at : null })
  } else if (isPassing(error) && failures < MOST_FAILURES && (copy.session || !isTold)) {
    await release(context, copy, { failures, due_at })
  } else await giveUp(hold, error, isTold)
}

/** One step, and what follows from its failure. @returns undefined when others go on */
const attempt = async (hold: Hold, isTold: boolean): Promise<CopyRecord | undefined> => {
  const step = COPY_STEPS[hold.copy.state]
  if (!step) return hold.copy
  try {
    return await step(hold)
  } catch (error) {
    const latest = (await COPIES.get(hold.context.platform.store, hold.copy.id))?.value
    if (!latest || latest.lease?.holder !== hold.copy.lease?.holder) return undefined
    const failed = { ...hold, copy: latest }
    if (error instanceof LeaseLost) return goneAway(failed, hold.copy)
    if (error instanceof TransferLost || isSourceChanged(error)) {
      const again = await restart(failed, error)
      if (again) return again
    }
    if (isHiccup(error, latest)) return save(hold.context, latest, { failures: latest.failures + 1 })
    await fail(failed, error, isTold)
    throw error
  }
}

/** Whether our own store or bucket broke off in the middle of what can be gone on with at once. */
const isHiccup = (error: unknown, { survey, failures }: CopyRecord): boolean =>
  !(error instanceof ApiError || error instanceof ProviderFault) &&
  survey.part_bytes > 0 &&
  failures < MOST_HICCUPS

/** A step that ended because the copy is to be deleted, or because its last file has been. */
const goneAway = async ({ context, copy }: Hold, before: CopyRecord): Promise<CopyRecord> =>
  copy.state === 'deleting' || copy.files.length > before.files.length
    ? copy
    : save(context, copy, { state: 'deleting', files: [] })

/** Whether there is something to do for a copy in this state. */
export const isAtWork = (state: CopyRecord['state']): boolean => COPY_STEPS[state] !== undefined

/**
 * Goes on with a copy in hand until it is made or the time is over; the rest is then a task.
 * @param end Unix milliseconds
 * @returns the copy, or undefined when someone else has it now, or it is gone
 */
export const carryOn = async (hold: Hold, end: number): Promise<CopyRecord | undefined> => {
  const { context } = hold
  let { copy, isTakenOver } = hold
  for (;;) {
    const isDeletion = copy.state === 'deleting'
    const next = await attempt({ ...hold, copy, isTakenOver }, true)
    if (!next || isDeletion) return undefined
    copy = next
    isTakenOver = false
    if (!isAtWork(copy.state)) {
      await finish(context, copy)
      return copy
    }
    if (context.platform.clock.now() >= end) {
      await handOver(context, copy)
      return copy
    }
  }
}

/**
 * A copy that is made is nobody's work any more. Where indexes lag behind (DynamoDB's do), a file may have been deleted without
 * this copy being seen among those of its content.
 */
const finish = async (context: Context, copy: CopyRecord): Promise<void> => {
  await release(context, copy, { due_at: null })
  for (const id of copy.files) {
    const file = (await FILES.get(context.platform.store, id))?.value
    if (file !== undefined && file.deleted_at !== null) await leaveCopy(context, copy.id, id)
  }
}

const handOver = async (context: Context, copy: CopyRecord): Promise<void> => {
  await release(context, copy, { due_at: nowSeconds(context) })
  await context.platform.queue.enqueue({ type: TASK, id: copy.id })
}

const isDue = (context: Context) => (copy: CopyRecord) =>
  isAtWork(copy.state) && copy.due_at !== null && copy.due_at <= nowSeconds(context)

/** The task `copy`: one step, and the next as a task of its own. */
export const continueCopy = async (context: Context, id: string): Promise<void> => {
  const copy = await claim(context, id, crypto.randomUUID(), isDue(context))
  if (!copy) return
  const isDeletion = copy.state === 'deleting'
  let connection: Hold['connection']
  try {
    connection = await reconnect(context, copy.connection, copy.account)
  } catch (error) {
    // Its credentials came with a request, or are not what they were: whoever asks again may bring them.
    const failures = copy.failures + 1
    const due_at = failures < MOST_DELETIONS ? nowSeconds(context) + delayAfter(copy.failures) : null
    await release(context, copy, { failures, due_at })
    throw error
  }
  const next = await attempt({ context, connection, copy, isTakenOver: true, memory: {} }, false)
  if (!next || isDeletion) return
  if (isAtWork(next.state)) await handOver(context, next)
  else await finish(context, next)
}

/** The list may lag behind: what has been begun anew since is no failure any more. */
const forgetFailure = async ({ platform: { store } }: Context, id: string): Promise<void> => {
  if ((await COPIES.get(store, id))?.value.state === 'failed') await COPIES.delete(store, id)
}

/** The schedule's duty: copies that nobody goes on with, deletions that did not succeed, failures nobody asked for. */
export const resumeCopies = async (context: Context, limit: number): Promise<void> => {
  const { clock, store } = context.platform
  const end = clock.now() + TICK_MS
  let failure: unknown
  for (const { id, state } of await listDue(store, COPIES, nowSeconds(context), limit)) {
    if (clock.now() >= end) return
    if (state === 'failed') await forgetFailure(context, id)
    else await continueCopy(context, id).catch((error: unknown) => (failure ??= error))
  }
  if (failure !== undefined) throw failure
}

/** Takes a file from those that use a copy. A copy that nobody uses is deleted. @returns it, if that is to be done now */
export const leaveCopy = async (
  context: Context,
  id: string,
  file: string,
): Promise<CopyRecord | undefined> => {
  const copy = await COPIES.update(context.platform.store, id, value => {
    if (!value.files.includes(file)) return value
    const files = value.files.filter(other => other !== file)
    return files.length > 0
      ? { ...value, files }
      : { ...value, files, state: 'deleting', failures: 0, due_at: nowSeconds(context) }
  })
  return copy?.state === 'deleting' ? copy : undefined
}
