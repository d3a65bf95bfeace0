/**
 * The work on large sources, by whoever does it: a request that waits, a task that goes on, the schedule that finds what was left lying.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ApiError } from '../openai/index.ts'
import { listDue } from '../platform/index.ts'
import { ProviderFault, reconnect } from '../providers/index.ts'
import { INTAKES, type IntakeRecord, needsCaller } from './intake-records.ts'
import {
  claim,
  fail,
  type IntakeHold,
  ofField,
  release,
  SourceReplaced,
  settle,
  step,
} from './intake-steps.ts'
import { LeaseLost } from './lease.ts'
import { FILES, type FileRecord } from './records.ts'
import { openSource } from './sources.ts'

/** The name of the task that goes on with an intake. */
const TASK = 'intake'
/** Failures in a row after which it is given up. */
const MOST_FAILURES = 8
/** Seconds to the next attempt: doubled with each failure. */
const FIRST_DELAY = 30
/** Milliseconds between two looks at an intake that someone else is at. */
const LOOK_MS = 1000
/** Seconds after which it is worth asking again. */
const RETRY_AFTER = 15
/** Milliseconds that one tick of the schedule spends on intakes. */
const TICK_MS = 20_000

/** Whether the same step may succeed later: everything but a refusal. */
const isPassing = (error: unknown): boolean => {
  if (error instanceof SourceReplaced) return false
  if (error instanceof ProviderFault) return !error.refused || error.status === 429
  if (error instanceof ApiError) return error.status >= 500
  return true
}

/** Lets go of an intake that only its caller can go on with, until that happens or its time is over. */
const leave = (context: Context, intake: IntakeRecord): Promise<void> =>
  release(context, intake, { failures: 0, due_at: intake.ends_at })

/** Lets go of an intake after a step: the next is anyone's, as soon as may be. */
const handOver = async (context: Context, intake: IntakeRecord): Promise<void> => {
  if (needsCaller(intake)) return leave(context, intake)
  await release(context, intake, { due_at: nowSeconds(context) })
  await context.platform.queue.enqueue({ type: TASK, id: intake.id })
}

/** What follows from a step that failed. @param isTold whether someone hears of the error now */
const afterFailure = async (
  context: Context,
  intake: IntakeRecord,
  error: unknown,
  isTold: boolean,
): Promise<void> => {
  const failures = intake.failures + 1
  // Its credentials came with a request, or are not what they were: whoever asks again may bring them.
  const isCallers = error instanceof ApiError && error.code === 'credentials_required'
  if (isCallers || (needsCaller(intake) && isPassing(error))) await leave(context, intake)
  else if (isPassing(error) && failures < MOST_FAILURES) {
    const due_at = nowSeconds(context) + FIRST_DELAY * 2 ** intake.failures
    await release(context, intake, { failures, due_at })
  }
  // Whoever points at a source that has changed begins with what it is then.
  else if (isTold || !(error instanceof ApiError)) await settle(context, intake)
  else await fail(context, intake, error)
}

/** One step, and what follows from its failure. @param isTold whether someone hears of the error now */
const attempt = async (hold: IntakeHold, isTold: boolean): ReturnType<typeof step> => {
  const { context } = hold
  try {
    return await step(hold)
  } catch (error) {
    const latest = (await INTAKES.get(context.platform.store, hold.intake.id))?.value
    if (error instanceof LeaseLost || !latest || latest.lease?.holder !== hold.intake.lease?.holder)
      throw new LeaseLost()
    await afterFailure(context, latest, error, isTold)
    throw error
  }
}

/** Goes on until the file is there or the time is over; the rest is then a task. @param end Unix milliseconds */
const carryOn = async (hold: IntakeHold, end: number): Promise<FileRecord | undefined> => {
  const { context } = hold
  let { intake } = hold
  for (;;) {
    const next = await attempt({ ...hold, intake }, true)
    if ('file' in next) {
      // Deleted in the same moment.
      if (!next.file) throw new SourceReplaced()
      return next.file
    }
    intake = next.intake
    if (context.platform.clock.now() < end) continue
    await handOver(context, intake)
    return undefined
  }
}

const stillTaking = (intake: IntakeRecord, param: string): ApiError => {
  const { uri, parts, part_bytes, bytes, state } = intake
  const how =
    state === 'checking'
      ? 'it is being checked'
      : `${Math.min(parts * part_bytes, bytes)} of ${bytes} bytes have arrived`
  const then = needsCaller(intake) ? 'Ask again, and it goes on' : 'It goes on: ask again'
  return new ApiError({
    status: 503,
    code: 'dataset_copying',
    param,
    message: `'${uri}' is still being taken in (${how}). ${then}.`,
    headers: { 'retry-after': String(RETRY_AFTER) },
  })
}

/**
 * Takes in a source part by part, for a caller who waits as long as a job waits for its copies. Whatever has been begun of the same
 * content is gone on with.
 * @throws {ApiError} 400 naming the line or why it cannot be read, 502; 503 when it takes longer than a caller is kept waiting
 * @throws {SourceReplaced} when it has changed while it was read
 */
export const takeInParts = async (
  context: Context,
  wished: IntakeRecord,
  open: IntakeHold['open'],
): Promise<FileRecord> => {
  const { store, clock } = context.platform
  const { id, param } = wished
  const end = clock.now() + context.config.copying.waitSeconds * 1000
  for (;;) {
    await INTAKES.create(store, wished)
    const file = (await FILES.get(store, id))?.value
    const intake = (await INTAKES.get(store, id))?.value
    if (intake?.error) {
      await settle(context, intake)
      throw new ApiError({ ...intake.error, param })
    }
    const claimed = await claim(context, id, crypto.randomUUID(), ({ state }) => state !== 'failed')
    if (claimed) {
      const made = await carryOn({ context, intake: claimed, open, memory: {} }, end).catch(
        (error: unknown) => {
          if (error instanceof LeaseLost) return undefined
          throw error instanceof ApiError && error.param !== null ? ofField(error, param) : error
        },
      )
      if (made) return made
    } else if (file?.deleted_at === null) return file
    if (clock.now() >= end) throw stillTaking((await INTAKES.get(store, id))?.value ?? wished, param)
    if (!claimed) await clock.sleep(LOOK_MS)
  }
}

const isDue = (context: Context) => (intake: IntakeRecord) =>
  intake.state !== 'failed' && intake.due_at !== null && intake.due_at <= nowSeconds(context)

/** The task `intake`: one step, and the next as a task of its own. */
export const continueIntake = async (context: Context, id: string): Promise<void> => {
  const intake = await claim(context, id, crypto.randomUUID(), isDue(context))
  if (!intake) return
  if (intake.ends_at <= nowSeconds(context)) return void (await settle(context, intake))
  if (needsCaller(intake)) return leave(context, intake)
  const { connection, uri, param } = intake
  const open = async (from: number) => {
    const job = connection ? await reconnect(context, connection.name, connection.account) : undefined
    return openSource(context, uri, param, job, from)
  }
  try {
    const next = await attempt({ context, intake, open, memory: {} }, false)
    if ('intake' in next) await handOver(context, next.intake)
  } catch (error) {
    if (!(error instanceof LeaseLost || error instanceof SourceReplaced)) throw error
  }
}

/** The list may lag behind: what has been begun anew since is no failure any more. */
const forgetFailure = async (context: Context, id: string): Promise<void> => {
  const intake = (await INTAKES.get(context.platform.store, id))?.value
  if (intake?.state === 'failed') await settle(context, intake)
}

/** The schedule's duty: sources that nobody goes on with, and what is left of those that were given up. */
export const resumeIntakes = async (context: Context, limit: number): Promise<void> => {
  const { clock, store } = context.platform
  const end = clock.now() + TICK_MS
  let failure: unknown
  for (const { id, state } of await listDue(store, INTAKES, nowSeconds(context), limit)) {
    if (clock.now() >= end) break
    const work = state === 'failed' ? forgetFailure(context, id) : continueIntake(context, id)
    await work.catch((error: unknown) => (failure ??= error))
  }
  if (failure !== undefined) throw failure
}
