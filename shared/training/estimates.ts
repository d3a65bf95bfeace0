/**
 * What a job would cost, before it is made: where it can be trained, how much is trained there, at which price.
 * @module
 */
import type { Context } from '../context.ts'
import {
  type CountRecord,
  countFile,
  exampleWindow,
  PER_EXAMPLE,
  type TokenCounter,
  tokenCounterFor,
} from '../datasets/index.ts'
import {
  ApiError,
  type ConnectionEstimate,
  type EstimateObject,
  type JobEstimate,
  type JobRequest,
  type NoEstimate,
} from '../openai/index.ts'
import { isOutOfReach, PROVIDERS } from '../providers/index.ts'
import { splitModelName } from '../serving/index.ts'
import { type EstimateInput, estimateTraining, hostingPrice } from '../spending/index.ts'
import { checkRequest, findDatasets, type Plan, planJob } from './plan.ts'

/**
 * Bytes of a dataset that an estimate counts whole; beyond it a dataset is sampled. Half a second's work for chats as they usually are, and
 * eight at the worst: words that are never the same.
 */
const COUNTED = 8 * 1024 * 1024
/** The same while a job is made, which is not to wait: a tenth of a second's work, a second's at the worst. */
const COUNTED_FOR_JOB = 1024 * 1024

interface Counted {
  counter: TokenCounter
  count: CountRecord
}

/** The model that tables know: a tune is trained as what it was made of. */
const baseOf = ({ tunedFrom, nativeModel }: Plan): string => tunedFrom ?? nativeModel

const countFor = async (context: Context, plan: Plan, budget: number): Promise<Counted> => {
  const { provider } = plan.connection
  const counter = await tokenCounterFor(provider.id, baseOf(plan))
  const window = exampleWindow(provider.id, baseOf(plan))
  return { counter, count: await countFile(context, plan.training, counter, { window, budget }) }
}

const requestedEpochs = (request: JobRequest, { method, connection }: Plan): number | 'auto' => {
  const { hyperparameters } =
    (method.type === 'supervised'
      ? method.supervised
      : method.type === 'dpo'
        ? method.dpo
        : method.reinforcement) ?? {}
  const option = request.provider_options?.[connection.provider.id]?.epoch_count
  return typeof option === 'number' ? option : (hyperparameters?.n_epochs ?? 'auto')
}

const inputOf = (request: JobRequest, plan: Plan, { counter, count }: Counted): EstimateInput => {
  const { provider, name, channel } = plan.connection
  return {
    provider: provider.id,
    connection: name,
    model: baseOf(plan),
    region: channel.settings.region ?? channel.settings.location,
    method: plan.method.type,
    dataset: {
      tokens: count.tokens,
      counter: counter.name,
      exact: counter.exact && !count.is_sampled && count.images === 0,
      error: counter.error + count.sampling_error,
      framing: counter.exact ? PER_EXAMPLE * count.examples : 0,
    },
    epochs: requestedEpochs(request, plan),
    rule: provider.defaultEpochs(baseOf(plan), plan.method.type, count.examples),
  }
}

/**
 * The estimate that is kept with a job: from an earlier count, or from one that does not keep the job waiting. A job never
 * fails for want of it.
 */
export const estimateForJob = async (
  context: Context,
  request: JobRequest,
  plan: Plan,
): Promise<JobEstimate | { missing: string }> => {
  try {
    const counted = await countFor(context, plan, COUNTED_FOR_JOB)
    return estimateTraining(context.config.prices, inputOf(request, plan, counted))
  } catch {
    return { missing: 'The dataset could not be counted.' }
  }
}

const percent = (share: number) => `${Math.round(share * 100)} %`

/** What the figures rest on, in sentences. */
const assumptionsOf = ({ method, validation, training }: Plan, { counter, count }: Counted): string[] => [
  counter.exact
    ? `Texts are counted with ${counter.name}, as the model reads them; how OpenAI frames an example is not published and is counted as in its cookbook, without its ${PER_EXAMPLE} tokens for each example in the low figure.`
    : `Tokens are approximated from the kinds of characters (${counter.name}), within ${percent(counter.error)}.`,
  ...(count.is_sampled
    ? [
        `Of ${training.bytes} bytes ${count.bytes_counted} were counted, in samples; the rest is taken to be alike, within ${percent(count.sampling_error)}.`,
      ]
    : []),
  ...(count.truncated_examples > 0
    ? [
        `${count.truncated_examples} examples are longer than ${count.window} tokens, and count as that many: some providers cut them off, others refuse them.`,
      ]
    : []),
  ...(count.images > 0
    ? [`${count.images} images are taken for 765 tokens each; one may have from 85 to 1,445.`]
    : []),
  ...(method.type === 'dpo' ? ['Of a preference both answers are trained on.'] : []),
  ...(validation ? ['The validation file is not in the price.'] : []),
]

const estimateAt = async (context: Context, request: JobRequest, plan: Plan) => {
  // What would be refused has no price.
  checkRequest(request, plan)
  const counted = await countFor(context, plan, context.config.limits.counted ?? COUNTED)
  const input = inputOf(request, plan, counted)
  const { tokens, ...estimate } = estimateTraining(context.config.prices, input)
  const hosting = hostingPrice(context.config.prices, input)
  const made: ConnectionEstimate = {
    provider: input.provider,
    connection: input.connection,
    model: plan.nativeModel,
    tokens: { ...tokens, per_epoch: tokens.dataset },
    ...estimate,
    hosting,
    hosting_missing: hosting
      ? null
      : `What a tune costs at '${input.provider}' while it is deployed is not known.`,
    // No provider publishes how fast it trains.
    minutes: null,
    assumptions: assumptionsOf(plan, counted),
    warnings: plan.warnings,
    unsupported: null,
  }
  return { made, counted }
}

type Made = Awaited<ReturnType<typeof estimateAt>>

/** Why a connection is no candidate, told by its table; undefined where it may be. */
const strangeTo = (connection: string, providerId: string, model: string): string | undefined => {
  const table = PROVIDERS[providerId]?.capabilities
  if (!table || table.models.length === 0)
    return `What '${connection}' can train is not known: name it as the provider.`
  return table.models.some(({ names }) => names.includes(model))
    ? undefined
    : `'${model}' is not in the capability table of '${providerId}' (${table.asOf}).`
}

/** The estimate at one of all connections, or why there is none. */
const tryAt = async (
  context: Context,
  owner: string,
  request: JobRequest,
  connection: string,
): Promise<Made | NoEstimate> => {
  const provider = context.config.connections[connection]?.provider ?? ''
  const { name } = splitModelName(context.config, request.model)
  const refusal = (unsupported: string): NoEstimate => ({ provider, connection, model: name, unsupported })
  try {
    const plan = await planJob(context, owner, {
      ...request,
      provider: connection,
      custom_llm_provider: undefined,
    })
    // A tune is where it was made, whatever connection is asked.
    if (plan.connection.name !== connection)
      return refusal(`The tune '${name}' is at '${plan.connection.name}'.`)
    const strange = plan.tunedFrom !== null ? undefined : strangeTo(connection, provider, name)
    return strange === undefined ? await estimateAt(context, request, plan) : refusal(strange)
  } catch (error) {
    if (error instanceof ApiError && error.code !== 'internal_error') return refusal(error.message)
    if (isOutOfReach(error)) return refusal(`'${connection}' cannot be asked now.`)
    throw error
  }
}

/** The word for "wherever it can be trained". */
const EVERYWHERE = 'auto'

/**
 * Estimates a job (`POST /v1/fine_tuning/estimates`); the request is a job's.
 * @throws {ApiError} what creating the job would be refused for; with the provider `auto` only what is wrong everywhere
 */
export const estimateJob = async (
  context: Context,
  owner: string,
  request: JobRequest,
): Promise<EstimateObject> => {
  const asked = request.provider ?? request.custom_llm_provider ?? context.provider
  const results: (Made | NoEstimate)[] = []
  if (asked === EVERYWHERE) {
    await findDatasets(context, owner, request)
    // One after the other: each may count, and the next may use what it counted.
    for (const connection of Object.keys(context.config.connections))
      results.push(await tryAt(context, owner, request, connection))
  } else results.push(await estimateAt(context, request, await planJob(context, owner, request)))

  const first = results.find((result): result is Made => 'made' in result)
  const training = first && (await findDatasets(context, owner, request)).training
  return {
    object: 'fine_tuning.estimate',
    model: request.model,
    training_file: request.training_file,
    dataset: first && training ? datasetOf(first, training.bytes) : null,
    estimates: results.map(result => ('made' in result ? result.made : result)),
  }
}

const datasetOf = (
  { made: { tokens }, counted: { count } }: Made,
  bytes: number,
): EstimateObject['dataset'] => ({
  bytes,
  examples: count.examples,
  tokens: tokens.dataset,
  counter: tokens.counter,
  exact: tokens.exact,
  error: tokens.error,
  truncated_examples: count.truncated_examples,
  images: count.images,
  sampled_bytes: count.is_sampled ? count.bytes_counted : null,
})
