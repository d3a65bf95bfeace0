/**
 * Finds a job a provider: one place after the other, each at most once at a time, so that no job is ever lost or doubled.
 *
 * What is about to be sent is written down first. An outcome that stays unknown is looked up by the attempt's label before anything
 * is sent again, here or elsewhere.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ensureCopy, findFile } from '../datasets/index.ts'
import { ApiError, badRequest, type JobObject } from '../openai/index.ts'
import {
  asAnswerError,
  type Connection,
  type JobSubmission,
  type NativeJob,
  ProviderFault,
} from '../providers/index.ts'
import { delayBefore } from '../transport.ts'
import { type Saying, tell } from './events.ts'
import { setAside, settleSpending } from './funds.ts'
import { retryAfter } from './pace.ts'
import { checkRequest, fittingMetadata } from './plan.ts'
import { isOnOwnCredentials, JOBS, type JobRecord, labelOf, type Verdict } from './records.ts'
import { accept, connectionOf, lookUp, tellTurn } from './refresh.ts'
import { ended, turned } from './transitions.ts'
import { mayPass, verdictOf } from './verdicts.ts'

/** Someone else has done something with the job in the meantime: what was being done is theirs now. */
class Overtaken extends Error {}

/** It is open whether the provider has the job. */
class OutcomeUnknown extends Error {
  readonly fault: ProviderFault
  constructor(fault: ProviderFault) {
    super('It is not known whether the provider has the job.', { cause: fault })
    this.fault = fault
  }
}

/** The provider was sent the job a short while ago and does not show it yet. */
class NotYetKnown extends Error {}

/** What came of an attempt to place a job. */
export type Placement =
  /** `copying`: the dataset is still on its way to the provider. */
  | { kind: 'accepted' | 'overtaken' | 'cancelled' | 'turned' | 'copying' }
  /** It will be known later. */
  | { kind: 'unknown'; fault: ProviderFault | undefined }
  /** No place is left for now, or none at all. */
  | { kind: 'refused'; error: unknown }

export interface Placed {
  job: JobRecord
  placement: Placement
}

/** Writes a change if no one has moved the job from where it was found. */
const change = async (
  context: Context,
  found: JobRecord,
  to: (job: JobRecord) => JobRecord,
): Promise<JobRecord> => {
  let isOvertaken = false
  const updated = await JOBS.update(context.platform.store, found.id, job => {
    isOvertaken =
      job.stage !== 'placing' || job.past.length !== found.past.length || job.sent_at !== found.sent_at
    return isOvertaken ? job : to(job)
  })
  if (isOvertaken || !updated) throw new Overtaken()
  return updated
}

/** Sends the creation; after a failure that leaves it open whether the provider acted, asks for the label first. */
const createOnce = async (
  context: Context,
  { provider, channel }: Connection,
  submission: JobSubmission,
): Promise<NativeJob> => {
  const { retries } = context.config
  for (let attempt = 0; ; attempt++) {
    try {
      return await provider.jobs.create(channel, submission)
    } catch (error) {
      if (!(error instanceof ProviderFault) || error.refused) throw error
      await context.platform.clock.sleep(delayBefore(attempt, undefined, retries, Math.random) ?? 0)
      const found = await provider.jobs.find(channel, submission.label).catch(() => 'unknown' as const)
      if (found === 'unknown') throw new OutcomeUnknown(error)
      if (found) return found
      if (attempt >= retries.count) throw new OutcomeUnknown(error)
    }
  }
}

const warning = (message: string): Saying => ({ level: 'warn', message })

/** The datasets as the provider has them, and what was left out on the way. */
const bringDatasets = async (
  context: Context,
  job: JobRecord,
  connection: Connection,
  waitSeconds: number | undefined,
) => {
  const format = connection.provider.formatOf(job.native_model, job.method.type)
  const bring = async (param: 'training_file' | 'validation_file') => {
    const id = job.request[param]
    if (!id) return undefined
    const file = await findFile(context, job.owner, id, param)
    return ensureCopy(context, file, connection, {
      ...{ format, dropParams: job.drop_params, param },
      ...(waitSeconds !== undefined && { waitSeconds }),
    })
  }
  const training = await bring('training_file')
  const validation = await bring('validation_file')
  if (!training) throw badRequest('training_file', 'The job has no training file.')
  const losses = (['training_file', 'validation_file'] as const).flatMap((param, index) =>
    ([training, validation][index]?.dropped ?? []).map(({ line, path, message }) =>
      warning(`Dropped: '${param}', line ${line}: ${path} ${message}.`),
    ),
  )
  return { trainingFile: training.id, validationFile: validation?.id ?? null, losses }
}

/** What the provider is asked for, and what of it stays behind. */
const submissionOf = (job: JobRecord, connection: Connection) => {
  const { request, native_model, method, drop_params, seed } = job
  const { asked, dropped } = checkRequest(
    { ...request, drop_params, seed },
    { connection, nativeModel: native_model, method, hasValidation: Boolean(request.validation_file) },
  )
  const room = connection.provider.capabilities.maxMetadataPairs
  const { sent, kept } = fittingMetadata(asked.metadata, room)
  const notes = [
    ...dropped.map(({ param, message }) => warning(`Dropped: '${param}': ${message}.`)),
    ...kept.map(key =>
      warning(
        `The metadata '${key}' stays in the gateway: the provider takes ${room} pairs, one of them the gateway's label.`,
      ),
    ),
  ]
  return { asked: { ...asked, metadata: sent }, notes }
}

/** Whether a job that was sent, and is unknown to the provider, may still turn up there. */
const mayTurnUp = (context: Context, { sent_at }: JobRecord) =>
  sent_at !== null && nowSeconds(context) - sent_at < context.config.jobs.submissionGrace

/**
 * One attempt at the current target.
 * @returns the record: accepted, or only written down because the caller wants an end of it
 * @throws what kept it from being accepted
 */
const attempt = async (
  context: Context,
  found: JobRecord,
  { given, waitSeconds }: { given: Connection | undefined; waitSeconds: number | undefined },
): Promise<JobRecord> => {
  const connection = given ?? (await connectionOf(context, found))
  // Someone was here before, and may have died on the way.
  const taken = await lookUp(context, found, connection).catch((error: unknown) => {
    throw error instanceof ProviderFault ? new OutcomeUnknown(error) : error
  })
  if (taken) return taken
  if (mayTurnUp(context, found)) throw new NotYetKnown()
  const { asked, notes } = submissionOf(found, connection)
  // What earlier attempts have given back is there for this one.
  await settleSpending(context, found)
  const funded = await setAside(context, found, to => change(context, found, to))
  await tell(context, found, funded.notes)
  const { trainingFile, validationFile, losses } = await bringDatasets(
    context,
    found,
    connection,
    waitSeconds,
  )
  const sending = await change(context, found, job =>
    job.is_cancelled ? job : { ...job, status: 'queued', sent_at: nowSeconds(context) },
  )
  if (sending.is_cancelled) return sending
  const native = await createOnce(context, connection, {
    ...asked,
    label: labelOf(sending),
    trainingFile,
    validationFile,
  })
  return accept(context, sending, connection, native, [...notes, ...losses])
}

const errorOf = (error: unknown): NonNullable<JobObject['error']> => {
  const { code, message, param } = asAnswerError(error) as ApiError
  return { code, message, param }
}

/** Seconds a worker has for one placement before another takes it for dead: longer than any call may last. */
export const leaseFor = ({ config }: Context): number => config.timeoutSeconds + 60

/** Seconds that a step of the schedule waits for a copy, which goes on without it, and until it looks again. */
const SHORT_WAIT = 20
const COPY_LOOK = 15

const isCopying = (error: unknown) => error instanceof ApiError && error.code === 'dataset_copying'

/** Whether a job that found no place may be tried again later. */
const mayWait = (context: Context, job: JobRecord, verdict: Verdict) =>
  mayPass(verdict) &&
  !isOnOwnCredentials(job) &&
  nowSeconds(context) < job.created_at + context.config.jobs.placement

/** Comes back to a provider that has not made clear whether it has the job. */
const comeBack = (context: Context, job: JobRecord): Promise<JobRecord> =>
  change(context, job, value => ({
    ...value,
    trouble: value.trouble + 1,
    due_at: isOnOwnCredentials(value) ? null : nowSeconds(context) + retryAfter(value.trouble + 1),
  }))

/** What follows from an attempt that was not accepted: another target, a later try, or the end. */
const afterFailure = async (
  context: Context,
  job: JobRecord,
  error: unknown,
  isWaited: boolean,
): Promise<Placed> => {
  if (error instanceof NotYetKnown)
    return { job: await comeBack(context, job), placement: { kind: 'unknown', fault: undefined } }
  if (isCopying(error) && !isOnOwnCredentials(job)) {
    const onItsWay = await change(context, job, value => ({
      ...value,
      status: 'validating_files',
      due_at: nowSeconds(context) + COPY_LOOK,
    }))
    return { job: onItsWay, placement: { kind: 'copying' } }
  }
  const isUnknown = error instanceof OutcomeUnknown
  const cause = isUnknown ? error.fault : error
  const verdict = verdictOf(cause)
  const isLast = job.target + 1 >= job.targets.length
  if (isUnknown && (isLast || job.is_cancelled))
    return { job: await comeBack(context, job), placement: { kind: 'unknown', fault: error.fault } }
  const refused: Placement = { kind: 'refused', error: cause }
  const now = nowSeconds(context)
  if (verdict === 'data' || job.is_cancelled || (isLast && !mayWait(context, job, verdict))) {
    if (isWaited) return { job, placement: refused }
    return { job: await change(context, job, value => ended(value, errorOf(cause), now)), placement: refused }
  }
  if (isLast && isWaited) return { job, placement: refused }
  const next = {
    verdict,
    error: errorOf(cause),
    next: isLast ? 0 : job.target + 1,
    dueAt: now + (isLast ? retryAfter(job.trouble + 1) : leaseFor(context)),
    isUnsettled: isUnknown,
  }
  const after = await change(context, job, value => ({
    ...turned(value, next, now),
    trouble: value.trouble + Number(isLast),
  }))
  await tellTurn(context, job, after, next)
  return { job: after, placement: isLast ? refused : { kind: 'turned' } }
}

/**
 * Places a job: at the current target first, then at those after it.
 * @param given the connection to the current target, where it is open already
 * @param isWaited whether a caller waits for the answer: then a refusal is left to them to tell
 * @throws what is no one's fault but the gateway's own
 */
export const place = async (
  context: Context,
  found: JobRecord,
  { given, isWaited }: { given?: Connection; isWaited: boolean },
): Promise<Placed> => {
  try {
    for (let job = found, own = given; ; own = undefined) {
      try {
        const placed = await attempt(context, job, {
          given: own,
          waitSeconds: isWaited ? undefined : SHORT_WAIT,
        })
        if (placed.native_id !== null) return { job: placed, placement: { kind: 'accepted' } }
        const now = nowSeconds(context)
        const over = await change(context, placed, value => ended(value, null, now))
        return { job: over, placement: { kind: 'cancelled' } }
      } catch (error) {
        if (error instanceof Overtaken) throw error
        // The attempt may have written before it failed.
        const current = (await JOBS.get(context.platform.store, job.id))?.value
        if (current?.stage !== 'placing' || current.past.length !== job.past.length) throw new Overtaken()
        const after = await afterFailure(context, current, error, isWaited)
        if (after.placement.kind !== 'turned') return after
        job = after.job
      }
    }
  } catch (error) {
    if (!(error instanceof Overtaken)) throw error
    const current = (await JOBS.get(context.platform.store, found.id))?.value
    return { job: current ?? found, placement: { kind: 'overtaken' } }
  }
}
