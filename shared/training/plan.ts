/**
 * From a request to what is to be sent where. Everything that can be refused before anything is stored is refused here.
 * @module
 */
import type { Context } from '../context.ts'
import { FEWEST_EXAMPLES, type FileRecord, findFile } from '../datasets/index.ts'
import { badRequest, type JobRequest, type Method } from '../openai/index.ts'
import type { Capabilities, Connection } from '../providers/index.ts'
import { resolveModel } from '../serving/index.ts'
import { ensureOwnerSecret } from '../webhooks/index.ts'

export interface Plan {
  connection: Connection
  nativeModel: string
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
) => {
  const file = await findFile(context, owner, id, param)
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

export const planJob = async (context: Context, owner: string, request: JobRequest): Promise<Plan> => {
  // A tuned model is trained further by its owner only.
  const wish = { ...context.credentials, ...request }
  const { connection, model: name } = await resolveModel(context, owner, request.model, wish)
  const method = methodOf(request)
  const today = new Date(context.platform.clock.now()).toISOString().slice(0, 10)
  const warnings = checkCapabilities(connection.provider.capabilities, name, method.type, today)
  const training = await findDataset(context, owner, request.training_file, 'training_file')
  const validation = request.validation_file
    ? await findDataset(context, owner, request.validation_file, 'validation_file')
    : null
  await checkWebhook(context, owner, request)
  return { connection, nativeModel: name, method, training, validation, warnings }
}

/** The caller's metadata as far as the provider has room beside the gateway's label. */
export const fittingMetadata = (metadata: Record<string, string>, room: number) => {
  const pairs = Object.entries(metadata)
  return {
    sent: Object.fromEntries(pairs.slice(0, room - 1)),
    kept: pairs.slice(room - 1).map(([key]) => key),
  }
}
