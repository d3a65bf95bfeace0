/**
 * From a request to what is to be sent where. Everything that can be refused before anything is stored is refused here.
 * @module
 */
import type { Context } from '../context.ts'
import { FEWEST_EXAMPLES, type FileRecord, findFile, isSource, takeIn } from '../datasets/index.ts'
import { badRequest, type JobRequest, type Method } from '../openai/index.ts'
import type { Capabilities, Connection, Dropped, JobSubmission } from '../providers/index.ts'
import { ensureOwnerSecret } from '../webhooks/index.ts'
import { isAuto, type Place, type Route, routeJob } from './route.ts'

/** A job at one place. */
export interface Draft {
  connection: Connection
  nativeModel: string
  /** Whether it is the very model that was asked for, or another's equivalent. */
  isExact: boolean
  /** What the model was made of, if it is a tune of the owner's. */
  tunedFrom: string | null
  method: Method
  training: FileRecord
  validation: FileRecord | null
  /** What the caller should know though nothing is refused. */
  warnings: string[]
}

/** The deprecated top-level hyperparameters mean supervised training. */
export const methodOf = ({
  method,
  hyperparameters,
}: Pick<JobRequest, 'method' | 'hyperparameters'>): Method =>
  method ?? { type: 'supervised', ...(hyperparameters && { supervised: { hyperparameters } }) }

/** Refuses what the provider cannot do; warns of what is not known, or will not last. */
export const checkCapabilities = (
  { models, source, asOf }: Capabilities,
  model: string,
  method: Method['type'],
  today: string,
): string[] => {
  const row = models.find(({ names }) => names.includes(model))
  // A tune that is tuned further is the provider's to judge.
  if (!row)
    return [
      `The model '${model}' is not in the capability table of ${asOf}; the provider decides whether it can be tuned.`,
    ]
  if (!row.methods.includes(method)) {
    const able = models.filter(({ methods }) => methods.includes(method)).map(({ names }) => names[0])
    throw badRequest(
      'method.type',
      `'${model}' is not trained with the method '${method}'. It takes: ${row.methods.join(', ')}; '${method}' is taken by: ${able.join(', ') || 'none'}.`,
    )
  }
  const { trainableUntil, servedUntil } = row
  return [
    ...(trainableUntil !== null && today >= trainableUntil
      ? [`The provider takes no jobs for '${model}' since ${trainableUntil} (${source}).`]
      : []),
    ...(servedUntil !== null
      ? [`The provider serves '${model}' and its tunes until ${servedUntil} (${source}).`]
      : []),
  ]
}

const findDataset = async (
  context: Context,
  owner: string,
  id: string,
  param: 'training_file' | 'validation_file',
  connection: Connection | undefined,
  named: Connection | undefined,
) => {
  const file = isSource(id)
    ? await takeIn(context, owner, id, param, connection)
    : await findFile(context, owner, id, param, named)
  if (file.purpose !== 'fine-tune') {
    throw badRequest(
      param,
      `The file '${id}' has the purpose '${file.purpose}'; it must be 'fine-tune'.`,
      'file_purpose_invalid',
    )
  }
  if (file.examples !== null && file.examples < FEWEST_EXAMPLES) {
    throw badRequest(
      param,
      `The file '${id}' has ${file.examples} examples; at least ${FEWEST_EXAMPLES} are needed.`,
      'too_few_examples',
    )
  }
  return file
}

/** A job that could not tell of its end is not begun. */
const checkWebhook = async (context: Context, owner: string, { webhook_url }: JobRequest): Promise<void> => {
  if (!webhook_url) return
  context.transport.assertCallable(new URL(webhook_url), 'webhook_url')
  await ensureOwnerSecret(context, owner)
}

/**
 * The files of a request.
 * @param connection of the job, whose credentials may read what is pointed at
 * @throws {ApiError} 404 for those that are not the owner's, 400 for those that cannot be trained on
 */
const findDatasets = async (
  context: Context,
  owner: string,
  request: Pick<JobRequest, 'training_file' | 'validation_file'>,
  connection: Connection | undefined,
  isNamed: boolean,
): Promise<Pick<Draft, 'training' | 'validation'>> => {
  const find = (id: string, param: 'training_file' | 'validation_file') =>
    findDataset(context, owner, id, param, connection, isNamed ? connection : undefined)
  return {
    training: await find(request.training_file, 'training_file'),
    validation: request.validation_file ? await find(request.validation_file, 'validation_file') : null,
  }
}

/** A job at every place it may be sent to, in the order of trying. */
export interface Plan {
  drafts: Draft[]
  rejected: Route['rejected']
  /** Whether the gateway chose. */
  isAuto: boolean
}

/** What is asked of the provider beside the files. */
export type Asked = Omit<JobSubmission, 'label' | 'trainingFile' | 'validationFile'>

/** What of a request a provider is to judge. */
type Wished = Pick<
  JobRequest,
  'suffix' | 'seed' | 'metadata' | 'integrations' | 'provider_options' | 'drop_params'
>

/**
 * A request in the provider's terms, and what of it the provider has no place for.
 * @throws {ApiError} 400 for what is wrong in itself, and, without `drop_params`, for the first that would be dropped
 */
export const checkRequest = (
  request: Wished,
  {
    connection: { provider },
    nativeModel,
    method,
    hasValidation,
  }: Pick<Draft, 'connection' | 'nativeModel' | 'method'> & { hasValidation: boolean },
): { asked: Asked; dropped: Dropped[] } => {
  const asked = {
    model: nativeModel,
    suffix: request.suffix ?? null,
    seed: request.seed ?? null,
    metadata: request.metadata ?? {},
    integrations: request.integrations ?? null,
    method,
    options: request.provider_options?.[provider.id] ?? {},
  }
  const dropped = provider.jobs.check({ ...asked, hasValidation })
  const [first] = dropped
  if (first && !request.drop_params) throw badRequest(first.param, `${first.message}.`, 'feature_unsupported')
  return { asked, dropped }
}

/** What a job would cost, in US dollars; null where that is not known. */
export type CostOf = (draft: Draft) => Promise<number | null>

/**
 * Where a job can be sent, and with what.
 * @param costOf what the gateway's own choice is made by; unasked where it does not choose
 * @throws {ApiError} what would be refused wherever it is sent, or at the place that was named
 */
export const planJob = async (
  context: Context,
  owner: string,
  request: JobRequest,
  costOf: CostOf = async () => null,
): Promise<Plan> => {
  const method = methodOf(request)
  await checkWebhook(context, owner, request)
  const today = new Date(context.platform.clock.now()).toISOString().slice(0, 10)
  // Only who says which provider is meant can name a file by that provider's id.
  const isNamed =
    !isAuto(request, context) &&
    (request.provider ?? request.custom_llm_provider ?? context.provider) !== undefined
  let found: ReturnType<typeof findDatasets> | undefined
  const datasetsFor = (connection?: Connection) =>
    (found ??= findDatasets(context, owner, request, connection, isNamed))
  // What is wrong with the files is no connection's fault.
  if (isAuto(request, context)) await datasetsFor()
  const draftAt = async ({ connection, model, isExact, tunedFrom }: Place): Promise<Draft> => {
    const datasets = await datasetsFor(connection)
    const { capabilities } = connection.provider
    const warnings = checkCapabilities(capabilities, model, method.type, today)
    const draft = { connection, nativeModel: model, isExact, tunedFrom, method, ...datasets, warnings }
    checkRequest(request, { ...draft, hasValidation: datasets.validation !== null })
    return draft
  }
  const { places, rejected, isFree } = await routeJob(context, owner, request, method.type, async place =>
    costOf(await draftAt(place)),
  )
  return { drafts: await Promise.all(places.map(draftAt)), rejected, isAuto: isFree }
}

/** The caller's metadata as far as the provider has room beside the gateway's label. */
export const fittingMetadata = (metadata: Record<string, string>, room: number) => {
  const pairs = Object.entries(metadata)
  return {
    sent: Object.fromEntries(pairs.slice(0, room - 1)),
    kept: pairs.slice(room - 1).map(([key]) => key),
  }
}
