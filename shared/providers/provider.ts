/**
 * The contract every provider fulfils. A provider's folder holds pure functions between canonical and native shapes;
 * what they send goes through a {@link Channel}, which is the transport with the connection's authorisation.
 * @module
 */
import type * as z from 'zod'
import type { FieldSpec, TokenCache } from '../credentials/index.ts'
import type {
  ErrorCode,
  Hyperparameters,
  JobEvent,
  JobStatus,
  Method,
  ModelObject,
  WandbIntegration,
} from '../openai/index.ts'
import type { Answer, OpenAnswer, OutboundRequest } from '../transport.ts'

/** A connection's resolved fields, by their names in the configuration. */
export type Settings = Readonly<Record<string, string | undefined>>

/** A request in the provider's own shape, before authorisation. */
export interface ProviderRequest extends Omit<OutboundRequest, 'headers' | 'timeoutMs' | 'signal'> {
  headers?: Record<string, string>
  /** Clears away what a failed call left behind (with `call` only): sent though the client may have gone. */
  tidies?: true
}

/** The way to one account of one provider. Anything but a 2xx is thrown as a {@link ProviderFault}. */
export interface Channel {
  readonly settings: Settings
  call(request: ProviderRequest): Promise<Answer>
  /** A call whose answer is JSON of this shape; anything else is a fault too. */
  read<T extends z.ZodType>(schema: T, request: ProviderRequest): Promise<z.infer<T>>
  open(request: ProviderRequest): Promise<OpenAnswer>
  /** A request body of known length, streamed. */
  sizedBody(pieces: (Uint8Array | ReadableStream<Uint8Array>)[], size: number): ReadableStream<Uint8Array>
  /** Milliseconds. For what a provider only finishes after it has answered. */
  sleep(ms: number): Promise<void>
  /** Unix milliseconds. */
  now(): number
}

/** What authorising a request may need beside the settings. */
export interface AuthTools {
  /** Access tokens, kept until shortly before they expire; asked for once however many wait. */
  tokens: TokenCache
  /** A call to a token endpoint: through the transport's guard, unauthorised, never repeated. */
  call(request: Omit<OutboundRequest, 'timeoutMs' | 'signal' | 'repeat'>): Promise<Answer>
  /** Unix milliseconds. */
  now(): number
}

/** What went wrong at a provider, in canonical terms. */
export interface Fault {
  /** The provider's HTTP status, or why there was none. */
  status: number | 'timeout' | 'unreachable' | 'redirected' | 'client_gone' | 'garbled'
  /** A code of the closed union; `nativeCode` keeps what it is not in. */
  code: ErrorCode | null
  nativeCode: string | null
  /** What the provider said, or undefined when nothing of it may be repeated. */
  message: string | undefined
  param: string | null
  /** Seconds, as the provider asked. */
  retryAfter: string | null
  /** Whether the provider certainly did not act on the request. */
  refused: boolean
}

export class ProviderFault extends Error implements Fault {
  readonly status: Fault['status']
  readonly code: Fault['code']
  readonly nativeCode: string | null
  readonly param: string | null
  readonly retryAfter: string | null
  readonly refused: boolean
  readonly provider: string
  /** What the provider said; `message` of the exception itself never holds it, so that logs do not. */
  readonly said: string | undefined

  constructor(provider: string, fault: Fault, cause?: unknown) {
    super(`${provider}: ${fault.status}`, { cause })
    this.name = 'ProviderFault'
    this.provider = provider
    this.status = fault.status
    this.code = fault.code
    this.nativeCode = fault.nativeCode
    this.param = fault.param
    this.retryAfter = fault.retryAfter
    this.refused = fault.refused
    this.said = fault.message
  }
}

/** A fault of which the provider has said nothing: whether it acted on the request is not known. */
export const unansweredFault = (
  provider: string,
  status: Exclude<Fault['status'], number>,
  cause?: unknown,
): ProviderFault =>
  new ProviderFault(
    provider,
    {
      status,
      code: null,
      nativeCode: null,
      message: undefined,
      param: null,
      retryAfter: null,
      refused: false,
    },
    cause,
  )

/** The dataset formats there are; `datasets/formats` converts to each. */
export type DatasetFormat =
  | 'openai'
  /** OpenAI's, behind a UTF-8 byte order mark. */
  | 'openai_with_mark'
  | 'gemini'
  | 'nova'
  | 'claude'
  | 'prompt_completion'

/** A job as the gateway asks for it. File references are the provider's own: ids or URIs. */
export interface JobSubmission {
  /** The gateway's job id: the provider keeps it as a searchable label. */
  label: string
  model: string
  trainingFile: string
  validationFile: string | null
  suffix: string | null
  seed: number | null
  metadata: Record<string, string>
  integrations: WandbIntegration[] | null
  method: Method
  /** `provider_options.<provider>` of the request, unchecked: each provider has its own schema for it. */
  options: Record<string, unknown>
}

/** What a submission became: what of it the provider has no place for is either refused or named here. */
export interface Dropped {
  /** The request's field. */
  param: string
  message: string
}

/** A job as the provider tells it, in canonical terms. Times are Unix seconds. */
export interface NativeJob {
  id: string
  /** The provider's own word. */
  nativeStatus: string
  status: JobStatus
  model: string
  /** The tuned model as the provider names it, callable at once or what a deployment is made of. */
  fineTunedModel: string | null
  finishedAt: number | null
  estimatedFinish: number | null
  error: { code: string; message: string; param: string | null } | null
  hyperparameters: Hyperparameters
  method: Method | null
  /** The provider's references of result files. */
  resultFiles: string[]
  trainedTokens: number | null
  seed: number | null
  /** For providers without a checkpoint list of their own. */
  checkpoints?: NativeCheckpoint[]
  /** Facts of the provider's own that an event should tell, e.g. statistics of the dataset. */
  facts?: Record<string, unknown>
  /** How it was asked for, as far as the provider tells. */
  origin?: JobOrigin
}

/** What is known of a job that the gateway has not made. */
export interface JobOrigin {
  /** The gateway's id of the job, where it carries one: then it is not anyone's to take. */
  label?: string | undefined
  createdAt: number | null
  /** The provider's own references. */
  trainingFile: string | null
  validationFile: string | null
  suffix: string | null
  /** Without the gateway's label. */
  metadata: Record<string, string>
}

export interface NativeEvent extends Omit<JobEvent, 'object'> {}

/** What was measured at one step, under OpenAI's names. */
export type NativeMetric = { step: number } & Readonly<Record<string, number>>

export interface NativeCheckpoint {
  id: string
  createdAt: number
  model: string
  step: number
  metrics: Record<string, number>
}

export interface NativePage<T> {
  items: T[]
  hasMore: boolean
  /** The `after` of the next page, where it is not the id of the last item: see {@link Paging}. */
  next?: string
}

/** What a provider's list takes as `after`: the id of an item, or only what the page before gave as `next`. */
export type Paging = 'id' | 'token'

/** A file as the provider has it. */
export interface NativeFile {
  id: string
  filename: string
  bytes: number
  /** Unix seconds. */
  createdAt: number
  /** Where the provider knows purposes. */
  purpose?: string | undefined
}

export interface PageRequest {
  after?: string | undefined
  limit: number
}

export interface UploadedFile {
  name: string
  purpose: string
  /** Bytes. */
  size: number
  /** Opens the bytes; once for each attempt to send them. */
  open(): Promise<ReadableStream<Uint8Array>>
}

/** All that must be known to go on with an upload in parts, as JSON: the provider's own business. */
export type TransferSession = Readonly<Record<string, unknown>>

export interface TransferFile {
  name: string
  purpose: string
  /** Bytes. */
  size: number
  /** MD5 of the whole, hex; null where the parts' own are enough. */
  md5: string | null
}

export interface TransferPart {
  /** From 1. */
  number: number
  /** Where it begins in the whole. */
  offset: number
  bytes: Uint8Array<ArrayBuffer>
  /** MD5 of the bytes, base64. */
  md5: string
  /** Whether it may have been sent before, by a process that ended before it could say so. */
  isRepeat: boolean
}

/** An upload in parts that outlives the process that began it. */
export interface Transfers {
  /** Bytes that every part but the last may have, a multiple of the unit. */
  readonly partBytes: { least: number; most: number; unit: number }
  /** What proves the copy whole: the MD5 of the whole, or one of each part. */
  readonly proof: 'whole' | 'parts'
  start(channel: Channel, file: TransferFile): Promise<TransferSession>
  /** Sends the next part. @throws {TransferLost} when the session is gone */
  part(
    channel: Channel,
    session: TransferSession,
    file: TransferFile,
    part: TransferPart,
  ): Promise<TransferSession>
  /** Makes a file of the parts and sees that it is whole. Doing it again gives the same file. @throws {TransferLost} */
  finish(channel: Channel, session: TransferSession, file: TransferFile): Promise<{ id: string }>
  /** Leaves nothing of the session, whatever became of it. */
  abort(channel: Channel, session: TransferSession): Promise<void>
}

/** The provider no longer knows the session, or has lost some of it: all parts are to be sent anew. */
export class TransferLost extends Error {
  constructor(cause?: unknown) {
    super('The upload session is gone.', { cause })
    this.name = 'TransferLost'
  }
}

/** What a provider can do, as data. `source` and `asOf` say where a row comes from. */
export interface Capabilities {
  source: string
  asOf: string
  /** Bytes of one training file. */
  maxFileBytes: number
  /** Pairs of metadata (labels, tags), the gateway's own among them. */
  maxMetadataPairs: number
  models: readonly TunableModel[]
}

export interface TunableModel {
  /** Names a request may use for it. */
  names: readonly string[]
  methods: readonly Method['type'][]
  /** `YYYY-MM-DD`: no new jobs from this day on. */
  trainableUntil: string | null
  /** `YYYY-MM-DD`: neither the model nor its tunes answer from this day on. */
  servedUntil: string | null
}

/** A chat completion request: OpenAI's body, with the provider's own model name in it. */
export interface ChatRequest {
  /** As JSON text, to be passed on where the provider speaks the same. */
  text: string
  body: ChatBody
  /** Whether fields the provider has no place for are dropped rather than refused. */
  dropParams: boolean
  /** Whether the registry knows the model as a tune of the caller's. */
  isTune?: boolean
}
/** OpenAI's body, of which only this much has been checked. */
export type ChatBody = Record<string, unknown> & {
  model: string
  messages: Record<string, unknown>[]
  stream?: boolean | null
}

/** An answer in OpenAI's shape: a `chat.completion`, or an event stream that is whole only if it ends in `[DONE]`. */
export type ChatAnswer = (
  | { kind: 'whole'; headers: Headers; bytes: Uint8Array<ArrayBuffer> }
  /** `isRaw`: the body as `fetch` gave it, which the platform can pass on by its own means. */
  | { kind: 'stream'; headers: Headers; body: ReadableStream<Uint8Array>; isRaw?: true }
) & {
  /** Fields of the request that the model did not get: `logprobs`, `messages[0].name`. */
  dropped?: readonly string[]
}

/** How often a provider goes through a dataset when it is left to it (`n_epochs: "auto"`). */
export interface EpochRule {
  /** Whole numbers; all the same where the rule is published. */
  low: number
  expected: number
  high: number
  /** The rule in words. */
  rule: string
  source: string
}

/** Asks a provider that answers in OpenAI's shape. */
export const askFor = async (
  { stream }: Pick<ChatBody, 'stream'>,
  ask: Pick<Channel, 'call' | 'open'>,
  request: ProviderRequest,
): Promise<ChatAnswer> =>
  stream === true
    ? { kind: 'stream', isRaw: true, ...(await ask.open(request)) }
    : { kind: 'whole', ...(await ask.call(request)) }

/** Where a tuned model can be called, or is about to be. */
export interface NativeDeployment {
  id: string
  nativeStatus: string
  status: 'deploying' | 'ready' | 'failed' | 'deleted'
  /** What {@link Provider.chat} takes as the model once it is ready. */
  model: string
  error: string | null
}

export interface Deployments {
  /** @param name for the deployment, unique for the job; creating it again under the same name is harmless */
  create(channel: Channel, job: NativeJob, name: string): Promise<NativeDeployment>
  get(channel: Channel, id: string): Promise<NativeDeployment>
  delete(channel: Channel, id: string): Promise<void>
}

/** A message that a provider sends of its own accord, or something that is set up at it. */
export interface PushMessage {
  headers: Headers
  /** As it came: signatures are over its very bytes. */
  body: string
}

export interface Push {
  /** The settings without which no message is taken. */
  readonly settings: readonly string[]
  /**
   * Whether a message comes from where it must, and what jobs it is about: nothing else in it is believed.
   * @returns undefined when it is not proved
   */
  read(
    settings: Settings,
    message: PushMessage,
    tools: AuthTools,
  ): Promise<{ id: string; nativeIds: string[] } | undefined>
  /** The same out of an event that the gateway's own platform brings, which has seen to who sent it. */
  readEvent?(event: unknown): { id: string; nativeIds: string[] } | undefined
}

/** How an online prediction endpoint is called. */
export type PredictionVerb = 'predict' | 'rawPredict' | 'streamRawPredict'

export interface Provider {
  readonly id: string
  readonly capabilities: Capabilities
  /** The fields of a connection and where they are looked up. */
  readonly fields: Readonly<Record<string, FieldSpec>>
  /** The field that is missing before anything can be sent. */
  missing(settings: Settings): string | undefined
  /** Headers that authorise a request. @throws {ApiError} 400 or 401 naming the setting that is wrong */
  authorise(
    settings: Settings,
    request: ProviderRequest,
    tools: AuthTools,
  ): Promise<Record<string, string>> | Record<string, string>
  /** An answer that is not a 2xx. */
  toFault(answer: Answer): Fault

  /** Whether a tune's own name is one that callers can say, or the gateway gives it one. */
  readonly tuneNames: 'native' | 'gateway'

  /** Epochs of a job that leaves them to the provider. @param examples of the training file */
  defaultEpochs(model: string, method: Method['type'], examples: number): EpochRule

  /** The format a model's training files have. */
  formatOf(model: string, method: Method['type']): DatasetFormat

  readonly files: {
    /** Uploads; returns when the file can be used. @returns the reference jobs use: an id or a URI */
    upload(channel: Channel, file: UploadedFile): Promise<{ id: string }>
    get(channel: Channel, id: string): Promise<Omit<NativeFile, 'id'>>
    delete(channel: Channel, id: string): Promise<void>
    /** @param from the byte to begin at: a 206 does, a 200 begins at the beginning all the same */
    content(channel: Channel, id: string, from?: number): Promise<OpenAnswer>
    list(channel: Channel, page: PageRequest): Promise<NativePage<NativeFile>>
    /** Only where a file can be sent in parts, each by itself. */
    readonly transfer?: Transfers
    readonly paging: Paging
  }
  readonly jobs: {
    /**
     * What of a submission this provider cannot honour. With `drop_params` these are dropped and told; without, the first
     * is the refusal. @throws {ApiError} for what is wrong in itself, e.g. a hyperparameter out of the model's range
     */
    check(
      submission: Omit<JobSubmission, 'label' | 'trainingFile' | 'validationFile'> & {
        hasValidation: boolean
      },
    ): Dropped[]
    create(channel: Channel, job: JobSubmission): Promise<NativeJob>
    /** The job that carries this label, if the provider has one. */
    find(channel: Channel, label: string): Promise<NativeJob | undefined>
    get(channel: Channel, id: string): Promise<NativeJob>
    list(channel: Channel, page: PageRequest): Promise<NativePage<NativeJob>>
    readonly paging: Paging
    cancel(channel: Channel, id: string): Promise<NativeJob>
    pause?(channel: Channel, id: string): Promise<NativeJob>
    resume?(channel: Channel, id: string): Promise<NativeJob>
    /** Newest first. Without it the gateway tells changes of state itself. */
    events?(channel: Channel, id: string, page: PageRequest): Promise<NativePage<NativeEvent>>
    /** Without it the job itself tells its checkpoints. */
    checkpoints?(channel: Channel, id: string, page: PageRequest): Promise<NativePage<NativeCheckpoint>>
    /** What is told in neither events, checkpoints nor result files. */
    metrics?(channel: Channel, id: string): Promise<NativeMetric[]>
  }
  readonly chat: {
    complete(channel: Channel, request: ChatRequest): Promise<ChatAnswer>
    /**
     * What {@link complete} sends, authorised, but for the text: only where that is all there is to it, whatever the request, and
     * the answer comes back as it is.
     */
    readonly direct?: (settings: Settings) => ProviderRequest
  }
  /** Only where a tuned model has to be deployed before it answers. */
  readonly deployments?: Deployments
  readonly models: {
    list(channel: Channel): Promise<ModelObject[]>
    /** Deletes a tuned model. */
    delete(channel: Channel, name: string): Promise<void>
    /** The base model behind a name in the provider's own form; any other name, and an `ft:` name, as it is. */
    baseOf(name: string): string
    /** Whether a name has the form of a tuned model, checkpoint or deployment of this provider. */
    isTuned(name: string): boolean
  }
  /** Only where changes are told without being asked for. */
  readonly push?: Push
  /** Only where there are prediction endpoints beside chat. */
  readonly predictions?: {
    /** An authenticated pass-through; the answer as the provider gives it. */
    send(channel: Channel, endpoint: string, verb: PredictionVerb, body: string): Promise<OpenAnswer>
  }
}
