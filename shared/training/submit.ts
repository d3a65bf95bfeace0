/**
 * Creates a job so that it is never lost and never doubled: the intent is written first, an unknown outcome is looked
 * up by the job's label before anything is sent again.
 * @module
 */
import { type Context, nowSeconds } from '../context.ts'
import { ensureCopy } from '../datasets/index.ts'
import { ApiError, badRequest, type JobRequest } from '../openai/index.ts'
import { type Connection, type JobSubmission, type NativeJob, ProviderFault } from '../providers/index.ts'
import { delayBefore } from '../transport.ts'
import { tell } from './events.ts'
import { indexNative } from './natives.ts'
import { fittingMetadata, type Plan, planJob } from './plan.ts'
import { JOBS, type JobRecord, withoutRouting } from './records.ts'
import { withNative } from './refresh.ts'

/**
 * Sends the creation; after a failure that leaves it open whether the provider acted, asks for the label first.
 * @throws {ProviderFault} `refused` when the provider certainly has no such job.
 */
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
      if (found === 'unknown') throw error
      if (found) return found
      if (attempt >= retries.count) throw error
    }
  }
}

const warning = (message: string) => ({ level: 'warn' as const, message })

/** The answer when it stays open whether the provider has the job: not to be repeated blindly, official clients obey. */
const outcomeUnknown = (job: JobRecord, fault: ProviderFault): ApiError =>
  new ApiError({
    status: fault.status === 'timeout' ? 504 : 502,
    code: 'submission_outcome_unknown',
    message: `The provider '${fault.provider}' did not confirm the job. It is kept as ${job.id}: ask for it to learn whether the provider has it, before creating it again.`,
    headers: { 'x-should-retry': 'false' },
    tunegate: {
      provider: fault.provider,
      native_status: typeof fault.status === 'number' ? fault.status : null,
      native_code: fault.nativeCode,
    },
    cause: fault,
  })

const toRecord = (
  context: Context,
  owner: string,
  request: JobRequest,
  { connection, nativeModel, method }: Plan,
): JobRecord => ({
  id: context.platform.ids.next('ftjob-'),
  owner,
  created_at: nowSeconds(context),
  request: withoutRouting(request),
  method,
  seed: request.seed ?? null,
  provider: connection.provider.id,
  connection: connection.name,
  account: connection.account,
  native_model: nativeModel,
  native_id: null,
  status: 'queued',
  native: null,
  fine_tuned_model: null,
  result_files: [],
  error: null,
  finished_at: null,
  polled_at: null,
  feed: { last_native_id: null, count: 0, is_complete: false },
})

/**
 * Creates a job (`POST /v1/fine_tuning/jobs`) and waits for the provider's acceptance.
 * @throws {ApiError} What the gateway or the provider refused; then no job is left.
 */
export const submitJob = async (context: Context, owner: string, request: JobRequest): Promise<JobRecord> => {
  const plan = await planJob(context, owner, request)
  const { connection, training, validation } = plan
  const { provider } = connection
  const { store } = context.platform
  const asked = {
    model: plan.nativeModel,
    suffix: request.suffix ?? null,
    seed: request.seed ?? null,
    metadata: request.metadata ?? {},
    integrations: request.integrations ?? null,
    method: plan.method,
    options: request.provider_options?.[provider.id] ?? {},
  }
  const dropParams = request.drop_params ?? false
  const dropped = provider.jobs.check({ ...asked, hasValidation: validation !== null })
  const [first] = dropped
  if (first && !dropParams) throw badRequest(first.param, `${first.message}.`, 'feature_unsupported')

  const format = provider.formatOf(plan.nativeModel, plan.method.type)
  const trainingCopy = await ensureCopy(context, training, connection, {
    format,
    dropParams,
    param: 'training_file',
  })
  const validationCopy =
    validation &&
    (await ensureCopy(context, validation, connection, { format, dropParams, param: 'validation_file' }))

  const job = toRecord(context, owner, request, plan)
  const { sent, kept } = fittingMetadata(asked.metadata, provider.capabilities.maxMetadataPairs)
  await JOBS.create(store, job)
  let native: NativeJob
  try {
    native = await createOnce(context, connection, {
      ...asked,
      label: job.id,
      trainingFile: trainingCopy.id,
      validationFile: validationCopy?.id ?? null,
      metadata: sent,
    })
  } catch (error) {
    if (error instanceof ProviderFault && !error.refused) throw outcomeUnknown(job, error)
    await JOBS.delete(store, job.id)
    throw error
  }
  const [updated] = await Promise.all([
    JOBS.update(store, job.id, value => withNative(context, value, native)),
    indexNative(context, job, native.id),
  ])
  const accepted = updated ?? job
  await tell(context, accepted, [
    { level: 'info', message: `Accepted by ${provider.id} as ${native.id}.` },
    ...plan.warnings.map(warning),
    ...dropped.map(({ param, message }) => warning(`Dropped: '${param}': ${message}.`)),
    ...(['training_file', 'validation_file'] as const).flatMap((param, index) =>
      ([trainingCopy, validationCopy][index]?.dropped ?? []).map(({ line, path, message }) =>
        warning(`Dropped: '${param}', line ${line}: ${path} ${message}.`),
      ),
    ),
    ...kept.map(key =>
      warning(
        `The metadata '${key}' stays in the gateway: the provider takes ${provider.capabilities.maxMetadataPairs} pairs, one of them the gateway's label.`,
      ),
    ),
  ])
  return accepted
}
