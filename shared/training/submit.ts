/**
 * Creates a job: planned, written down, placed.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ApiError, type JobRequest } from '../openai/index.ts'
import { ProviderFault, toAnswerError } from '../providers/index.ts'
import { estimateForJob, expectedCost, expectedUsd } from './estimates.ts'
import { type Saying, tell } from './events.ts'
import { leaseFor, place } from './place.ts'
import { type Draft, methodOf, type Plan, planJob } from './plan.ts'
import { isOnOwnCredentials, JOBS, type JobRecord, newJob, type Target, withoutRouting } from './records.ts'
import { ended } from './transitions.ts'

const targetOf = async (context: Context, request: JobRequest, draft: Draft): Promise<Target> => ({
  provider: draft.connection.provider.id,
  connection: draft.connection.name,
  account: draft.connection.account,
  native_model: draft.nativeModel,
  estimate: await estimateForJob(context, request, draft),
})

const toRecord = (
  context: Context,
  owner: string,
  request: JobRequest,
  { training, validation }: Pick<Draft, 'training' | 'validation'>,
  targets: readonly [Target, ...Target[]],
  { id, dueAt }: { id: string; dueAt: number },
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
    targets,
    due_at: isOnOwnCredentials(targets[0]) ? null : dueAt,
    deadline_at: deadline === null ? null : now + deadline,
  })
}

/** What the caller should know of the choice. */
const notes = ({ drafts, rejected, isAuto }: Plan, targets: readonly Target[]): Saying[] => [
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
            rejected,
          },
        },
      ]
    : []),
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

/** Leaves no job of one that was refused, unless a provider may still turn out to have it. */
const remove = async (context: Context, job: JobRecord): Promise<void> => {
  const { store } = context.platform
  if (!job.past.some(({ is_unsettled }) => is_unsettled)) return JOBS.delete(store, job.id)
  const error = { code: 'submission_failed', message: 'No provider has taken the job.', param: null }
  await JOBS.update(store, job.id, value => ended(value, error, nowSeconds(context)))
}

export interface Submission {
  /** Whether to answer before a provider has taken the job (`Prefer: respond-async`). */
  isAsync?: boolean
  /** The id it is to have: a job of that id that is there already is left as it is. A new one unless given. */
  id?: string
}

/**
 * Creates a job (`POST /v1/fine_tuning/jobs`).
 * @throws {ApiError} What the gateway or the provider refused; then no job is left.
 */
export const submitJob = async (
  context: Context,
  owner: string,
  request: JobRequest,
  { isAsync = false, id: given = context.ids?.next('ftjob-') }: Submission = {},
): Promise<JobRecord> => {
  const made = given === undefined ? undefined : (await JOBS.get(context.platform.store, given))?.value
  if (made) return made
  const id = given ?? context.platform.ids.next('ftjob-')
  const plan = await planJob(context, owner, request, draft => expectedCost(context, request, draft))
  const { store, queue } = context.platform
  const now = nowSeconds(context)
  const [first, ...more] = plan.drafts
  if (!first) throw new Error('A plan has a place.')
  const opened = first.connection
  // Credentials of a request are gone with it: such a job is placed at once or not at all.
  const isLater = isAsync && opened.name === opened.account
  const target = (draft: Draft) => targetOf(context, request, draft)
  const targets = [await target(first), ...(await Promise.all(more.map(target)))] as const
  const dueAt = isLater ? now : now + leaseFor(context)
  const job = toRecord(context, owner, request, first, targets, { id, dueAt })
  if (!(await JOBS.create(store, job))) return (await JOBS.get(store, id))?.value ?? job
  await tell(context, job, notes(plan, targets))
  if (isLater) {
    await queue.enqueue({ type: 'job', id: job.id })
    return job
  }
  const { job: placed, placement } = await place(context, job, {
    isWaited: true,
    given: opened,
  }).catch(async (error: unknown) => {
    const left = (await JOBS.get(store, job.id))?.value
    if (left?.sent_at === null && left.past.length === 0) await JOBS.delete(store, job.id)
    throw error
  })
  if (placement.kind === 'unknown') throw outcomeUnknown(placed, placement.fault)
  if (placement.kind === 'refused') {
    await remove(context, placed)
    throw refusal(placed, placement.error)
  }
  return placed
}
