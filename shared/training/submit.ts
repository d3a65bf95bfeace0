/**
 * Creates a job: planned, written down, placed.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ApiError, type JobRequest } from '../openai/index.ts'
import { type Connection, ProviderFault, toAnswerError } from '../providers/index.ts'
import { estimateForJob, expectedCost, expectedUsd } from './estimates.ts'
import { type Saying, tell } from './events.ts'
import { type Limits, limitsOf, releaseFunds, reservationAt, reserveFunds, unknownCostNote } from './funds.ts'
import { leaseFor, place } from './place.ts'
import { type Draft, methodOf, type Plan, planJob } from './plan.ts'
import {
  isOnOwnCredentials,
  JOBS,
  type JobRecord,
  newJob,
  type Reservation,
  type Target,
  withoutRouting,
} from './records.ts'
import { ended } from './transitions.ts'

const targetOf = async (context: Context, request: JobRequest, draft: Draft): Promise<Target> => ({
  provider: draft.connection.provider.id,
  connection: draft.connection.name,
  account: draft.connection.account,
  native_model: draft.nativeModel,
  estimate: await estimateForJob(context, request, draft),
})

/** Places that a job can pay for as things stand, and what it would set aside at the first; the others with the reason. */
interface Affordable {
  drafts: readonly [Draft, ...Draft[]]
  targets: readonly [Target, ...Target[]]
  reservation: Reservation
  rejected: Plan['rejected']
}

/** Leaves out the places that no budget has room for. @throws {ApiError} 402 where none is left: the first one's reason */
const affordable = async (
  context: Context,
  { drafts }: Plan,
  targets: readonly Target[],
  limits: Limits,
): Promise<Affordable> => {
  const found: { draft: Draft; target: Target; reservation: Reservation }[] = []
  const refused: { connection: string; error: ApiError }[] = []
  for (const [index, draft] of drafts.entries()) {
    const target = targets[index]
    if (!target) continue
    const wanted = await reservationAt(context, limits, target)
    if (wanted instanceof ApiError) refused.push({ connection: target.connection, error: wanted })
    else found.push({ draft, target, reservation: wanted })
  }
  const [first, ...more] = found
  if (!first) throw refused[0]?.error ?? new Error('A plan has a place.')
  return {
    drafts: [first.draft, ...more.map(({ draft }) => draft)],
    targets: [first.target, ...more.map(({ target }) => target)],
    reservation: first.reservation,
    rejected: refused.map(({ connection, error }) => ({ connection, reason: error.message })),
  }
}

const toRecord = (
  context: Context,
  owner: string,
  request: JobRequest,
  { training, validation }: Pick<Draft, 'training' | 'validation'>,
  {
    id,
    dueAt,
    ...parts
  }: { id: string; dueAt: number; targets: readonly [Target, ...Target[]] } & Pick<
    JobRecord,
    'key' | 'batch_limit' | 'reservation'
  >,
): JobRecord => {
  const now = nowSeconds(context)
  const deadline = request.deadline_seconds ?? context.config.jobs.deadline
  return newJob({
    id,
    owner,
    created_at: now,
    // What was pointed at is a file by now.
    request: {
      ...withoutRouting(request),
      training_file: training.id,
      ...(validation && { validation_file: validation.id }),
    },
    drop_params: request.drop_params ?? false,
    method: methodOf(request),
    seed: request.seed ?? null,
    ...parts,
    due_at: isOnOwnCredentials(parts.targets[0]) ? null : dueAt,
    deadline_at: deadline === null ? null : now + deadline,
  })
}

/** What the caller should know of the choice. */
const notes = ({ isAuto, rejected }: Plan, { drafts, targets, ...left }: Affordable): Saying[] => [
  ...(isAuto
    ? [
        {
          level: 'info' as const,
          message: `Routed to ${drafts.map(({ connection, nativeModel }) => `${connection.name} (${nativeModel})`).join(', then ')}.`,
          data: {
            chosen: drafts.map(({ connection, nativeModel, isExact }, index) => ({
              connection: connection.name,
              model: nativeModel,
              exact: isExact,
              expected_usd: expectedUsd(targets[index]?.estimate),
            })),
            rejected: [...rejected, ...left.rejected],
          },
        },
      ]
    : left.rejected.map(({ connection, reason }) => ({
        level: 'warn' as const,
        message: `Not tried at ${connection}: ${reason}`,
      }))),
  ...drafts.flatMap(({ warnings }) => warnings.map(message => ({ level: 'warn' as const, message }))),
]

/** The answer when it stays open whether the provider has the job: not to be repeated blindly, official clients obey. */
const outcomeUnknown = (job: JobRecord, fault: ProviderFault | undefined): ApiError =>
  new ApiError({
    status: fault?.status === 'timeout' ? 504 : 502,
    code: 'submission_outcome_unknown',
    message: `The provider '${job.provider}' did not confirm the job. It is kept as ${job.id}, and is taken up or sent again as soon as the provider tells whether it has it: ask for it rather than create it anew.`,
    headers: { 'x-should-retry': 'false' },
    tunegate: {
      provider: job.provider,
      native_status: typeof fault?.status === 'number' ? fault.status : null,
      native_code: fault?.nativeCode ?? null,
    },
    cause: fault,
  })

/** What a refusal by one provider after the other comes to: the last one's, with the names of all. */
const refusal = (job: JobRecord, error: unknown): unknown => {
  if (job.past.length === 0) return error
  const last = error instanceof ProviderFault ? toAnswerError(error) : error
  if (!(last instanceof ApiError)) return last
  const earlier = job.past.map(({ connection, verdict }) => `${connection} (${verdict})`).join(', ')
  return new ApiError({ ...last, message: `${last.message} Before that it was refused by ${earlier}.` })
}

/** Leaves nothing of a job: its money first, while its record still says where that is. */
const erase = async (context: Context, job: JobRecord): Promise<void> => {
  await releaseFunds(context, job)
  await JOBS.delete(context.platform.store, job.id)
}

/** Leaves no job of one that was refused, unless a provider may still turn out to have it. */
const remove = async (context: Context, job: JobRecord): Promise<void> => {
  const { store } = context.platform
  if (!job.past.some(({ is_unsettled }) => is_unsettled)) return erase(context, job)
  const error = { code: 'submission_failed', message: 'No provider has taken the job.', param: null }
  await JOBS.update(store, job.id, value => ended(value, error, nowSeconds(context)))
}

/** Places a job for whoever waits for it. @throws {ApiError} what kept it from being placed; then no job is left */
const placeNow = async (context: Context, job: JobRecord, given: Connection): Promise<JobRecord> => {
  const { store } = context.platform
  const { job: placed, placement } = await place(context, job, { isWaited: true, given }).catch(
    async (error: unknown) => {
      const left = (await JOBS.get(store, job.id))?.value
      if (left?.sent_at === null && left.past.length === 0) await erase(context, left)
      throw error
    },
  )
  if (placement.kind === 'unknown') throw outcomeUnknown(placed, placement.fault)
  if (placement.kind === 'refused') {
    await remove(context, placed)
    throw refusal(placed, placement.error)
  }
  return placed
}

/** Whether a job waits for its request to come again: no one else has the credentials that place it. */
const isLeft = (job: JobRecord): boolean => job.stage === 'placing' && isOnOwnCredentials(job)

export interface Submission {
  /** Whether to answer before a provider has taken the job (`Prefer: respond-async`). */
  isAsync?: boolean
  /** The id it is to have: a job of that id that is there already is left as it is. A new one unless given. */
  id?: string
  /** The gateway key that asked for it; the caller's unless given. */
  key?: string | null
  batchLimit?: JobRecord['batch_limit']
}

/**
 * Creates a job (`POST /v1/fine_tuning/jobs`).
 * @throws {ApiError} What the gateway or the provider refused; then no job is left.
 */
export const submitJob = async (
  context: Context,
  owner: string,
  request: JobRequest,
  {
    isAsync = false,
    id: given = context.ids?.next('ftjob-'),
    key = context.caller?.key ?? null,
    batchLimit: batch_limit = null,
  }: Submission = {},
): Promise<JobRecord> => {
  const made = given === undefined ? undefined : (await JOBS.get(context.platform.store, given))?.value
  if (made && !isLeft(made)) return made
  const id = given ?? context.platform.ids.next('ftjob-')
  const plan = await planJob(context, owner, request, draft => expectedCost(context, request, draft))
  if (made) {
    const again = plan.drafts.find(({ connection }) => connection.account === made.account)
    return again ? placeNow(context, made, again.connection) : made
  }
  const { store, queue } = context.platform
  const now = nowSeconds(context)
  const targets: Target[] = []
  // One after the other: each may count, and the next may use what it counted.
  for (const draft of plan.drafts) targets.push(await targetOf(context, request, draft))
  const limits = await limitsOf(context, { owner, key, batch_limit, request })
  const means = await affordable(context, plan, targets, limits)
  const [first] = means.drafts
  const opened = first.connection
  // Credentials of a request are gone with it: such a job is placed at once or not at all.
  const isLater = isAsync && opened.name === opened.account
  const job = toRecord(context, owner, request, first, {
    ...{ id, key, batch_limit, targets: means.targets, reservation: means.reservation },
    // No one else begins with it until its money is there.
    dueAt: now + leaseFor(context),
  })
  if (!(await JOBS.create(store, job))) return (await JOBS.get(store, id))?.value ?? job
  await reserveFunds(context, job).catch(async (error: unknown) => {
    await erase(context, job)
    throw error
  })
  await tell(context, job, [...notes(plan, means), ...unknownCostNote(limits, job)])
  if (isLater) {
    const waiting = await JOBS.update(store, id, value =>
      value.stage === 'placing' && value.sent_at === null ? { ...value, due_at: now } : value,
    )
    await queue.enqueue({ type: 'job', id: job.id })
    return waiting ?? job
  }
  return placeNow(context, job, opened)
}
