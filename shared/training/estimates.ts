/**
 * What a job would cost, before it is made: where it can be trained, how much is trained there, at which price.
 * @module
 */
import type { Context } from '../context.ts'
import {
  type CountRecord,
  countFile,
  errorOf,
  exampleWindow,
  guessOf,
  PER_EXAMPLE,
  type TokenCounter,
  tokenCounterFor,
} from '../datasets/index.ts'
import type {
  ConnectionEstimate,
  EstimateObject,
  JobEstimate,
  JobRequest,
  NoEstimate,
} from '../openai/index.ts'
import { splitModelName } from '../serving/index.ts'
import { type EstimateInput, estimateTraining, hostingPrice } from '../spending/index.ts'
import { type Draft, planJob } from './plan.ts'

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
const baseOf = ({ tunedFrom, nativeModel }: Draft): string => tunedFrom ?? nativeModel

const countFor = async (context: Context, draft: Draft, budget: number): Promise<Counted> => {
  const { provider } = draft.connection
  const counter = await tokenCounterFor(provider.id, baseOf(draft))
  const window = exampleWindow(provider.id, baseOf(draft))
  return { counter, count: await countFile(context, draft.training, counter, { window, budget }) }
}

/** Who takes the number of epochs among its `provider_options`, too, and under which name. */
const EPOCH_OPTIONS: Readonly<Record<string, string>> = { vertex_ai: 'epoch_count' }

const requestedEpochs = (request: JobRequest, { method, connection }: Draft): number | 'auto' => {
  const { hyperparameters } =
    (method.type === 'supervised'
      ? method.supervised
      : method.type === 'dpo'
        ? method.dpo
        : method.reinforcement) ?? {}
  const { id } = connection.provider
  const option = request.provider_options?.[id]?.[EPOCH_OPTIONS[id] ?? '']
  return typeof option === 'number' ? option : (hyperparameters?.n_epochs ?? 'auto')
}

const inputOf = (request: JobRequest, draft: Draft, { counter, count }: Counted): EstimateInput => {
  const { provider, name, channel } = draft.connection
  return {
    provider: provider.id,
    connection: name,
    model: baseOf(draft),
    region: channel.settings.region ?? channel.settings.location,
    method: draft.method.type,
    dataset: {
      tokens: count.tokens,
      counter: counter.name,
      exact: counter.exact && !count.is_sampled && count.images_guessed === 0,
      error: errorOf(counter, { tokens: count.tokens, guessed: count.images_guessed }) + count.sampling_error,
      framing: counter.exact ? PER_EXAMPLE * count.examples : 0,
    },
    epochs: requestedEpochs(request, draft),
    rule: provider.defaultEpochs(baseOf(draft), draft.method.type, count.examples),
  }
}

/**
 * The estimate that is kept with a job: from an earlier count, or from one that does not keep the job waiting. A job never
 * fails for want of it.
 */
export const estimateForJob = async (
  context: Context,
  request: JobRequest,
  draft: Draft,
): Promise<JobEstimate | { missing: string }> => {
  try {
    const counted = await countFor(context, draft, COUNTED_FOR_JOB)
    return estimateTraining(context.config.prices, inputOf(request, draft, counted))
  } catch {
    return { missing: 'The dataset could not be counted.' }
  }
}

/** The estimate in one figure, for choosing between places. */
export const expectedCost = async (
  context: Context,
  request: JobRequest,
  draft: Draft,
): Promise<number | null> => expectedUsd(await estimateForJob(context, request, draft))

export const expectedUsd = (estimate: JobEstimate | { missing: string } | undefined): number | null =>
  estimate === undefined || 'missing' in estimate ? null : (estimate.usd?.expected ?? null)

const percent = (share: number) => `${Math.round(share * 100)} %`

/** What the figures rest on, in sentences. */
const assumptionsOf = (
  { method, validation, training }: Draft,
  { counter, counter: { images }, count }: Counted,
): string[] => [
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
  ...(count.images > 0 ? [`${count.images} images are counted ${images.words}.`] : []),
  ...(count.images_guessed > 0
    ? [
        `What ${count.images_guessed} of them have is not known: each is taken for ${guessOf(images)} tokens, and may have from ${images.least} to ${images.most}.`,
      ]
    : []),
  ...(method.type === 'dpo' ? ['Of a preference both answers are trained on.'] : []),
  ...(validation ? ['The validation file is not in the price.'] : []),
]

const estimateAt = async (context: Context, request: JobRequest, draft: Draft) => {
  const counted = await countFor(context, draft, context.config.limits.counted ?? COUNTED)
  const input = inputOf(request, draft, counted)
  const { tokens, ...estimate } = estimateTraining(context.config.prices, input)
  const hosting = hostingPrice(context.config.prices, input)
  const made: ConnectionEstimate = {
    provider: input.provider,
    connection: input.connection,
    model: draft.nativeModel,
    tokens: { ...tokens, per_epoch: tokens.dataset },
    ...estimate,
    hosting,
    hosting_missing: hosting
      ? null
      : `What a tune costs at '${input.provider}' while it is deployed is not known.`,
    // No provider publishes how fast it trains.
    minutes: null,
    assumptions: assumptionsOf(draft, counted),
    warnings: draft.warnings,
    unsupported: null,
  }
  return { made, counted }
}

type Made = Awaited<ReturnType<typeof estimateAt>>

/**
 * Estimates a job (`POST /v1/fine_tuning/estimates`), at every place it may be sent to; the request is a job's.
 * @throws {ApiError} what creating the job would be refused for
 */
export const estimateJob = async (
  context: Context,
  owner: string,
  request: JobRequest,
): Promise<EstimateObject> => {
  const { drafts, rejected } = await planJob(context, owner, request)
  const made: Made[] = []
  // One after the other: each may count, and the next may use what it counted.
  for (const draft of drafts) made.push(await estimateAt(context, request, draft))
  const { name } = splitModelName(context.config, request.model)
  const refused = rejected.map(
    ({ connection, reason }): NoEstimate => ({
      provider: context.config.connections[connection]?.provider ?? '',
      connection,
      model: name,
      unsupported: reason,
    }),
  )
  const [first] = made
  return {
    object: 'fine_tuning.estimate',
    model: request.model,
    training_file: request.training_file,
    dataset: first && drafts[0] ? datasetOf(first, drafts[0].training.bytes) : null,
    estimates: [...made.map(({ made }) => made), ...refused],
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
