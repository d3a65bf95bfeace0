/**
 * The contract every provider fulfils. A provider's folder holds pure functions between canonical and native shapes;
 * what they send goes through a {@link Channel}, which is the transport with the connection's authorisation.
 * @module
 */
import type * as z from 'zod'
import type { FieldSpec } from '../credentials/index.ts'
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
export type Settings = Partial<Record<ConnectionField, string>>
export type ConnectionField = 'apiKey' | 'baseUrl' | 'organization' | 'project'

/** A request in the provider's own shape, before authorisation. */
export interface ProviderRequest extends Omit<OutboundRequest, 'headers' | 'timeoutMs' | 'signal'> {
  headers?: Record<string, string>
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

/** A job as the gateway asks for it. File ids are the provider's own. */
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
}

/** A job as the provider tells it, in canonical terms. Times are Unix seconds. */
export interface NativeJob {
  id: string
  /** The provider's own word. */
  nativeStatus: string
  status: JobStatus
  model: string
  fineTunedModel: string | null
  finishedAt: number | null
  estimatedFinish: number | null
  error: { code: string; message: string; param: string | null } | null
  hyperparameters: Hyperparameters
  method: Method | null
  /** The provider's file ids. */
  resultFiles: string[]
  trainedTokens: number | null
  seed: number | null
}

export interface NativeEvent extends Omit<JobEvent, 'object'> {}

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
}

export interface UploadedFile {
  name: string
  purpose: string
  /** Bytes. */
  size: number
  /** Opens the bytes; once for each attempt to send them. */
  open(): Promise<ReadableStream<Uint8Array>>
}

/** What a provider can do, as data. `source` and `asOf` say where a row comes from. */
export interface Capabilities {
  source: string
  asOf: string
  /** Bytes of one training file. */
  maxFileBytes: number
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

export interface Provider {
  readonly id: string
  readonly capabilities: Capabilities
  /** The fields of a connection and where they are looked up. */
  readonly fields: Partial<Record<ConnectionField, FieldSpec>>
  /** The field without which nothing can be sent. */
  readonly required: ConnectionField
  /** Headers that authorise a request. */
  authorise(
    settings: Settings,
    request: ProviderRequest,
  ): Promise<Record<string, string>> | Record<string, string>
  /** An answer that is not a 2xx. */
  toFault(answer: Answer): Fault

  readonly files: {
    upload(channel: Channel, file: UploadedFile): Promise<{ id: string }>
    get(channel: Channel, id: string): Promise<{ filename: string; bytes: number; createdAt: number }>
    delete(channel: Channel, id: string): Promise<void>
    content(channel: Channel, id: string): Promise<OpenAnswer>
  }
  readonly jobs: {
    create(channel: Channel, job: JobSubmission): Promise<NativeJob>
    /** The job that carries this label, if the provider has one. */
    find(channel: Channel, label: string): Promise<NativeJob | undefined>
    get(channel: Channel, id: string): Promise<NativeJob>
    cancel(channel: Channel, id: string): Promise<NativeJob>
    pause(channel: Channel, id: string): Promise<NativeJob>
    resume(channel: Channel, id: string): Promise<NativeJob>
    /** Newest first. */
    events(
      channel: Channel,
      id: string,
      page: { after?: string | undefined; limit: number },
    ): Promise<NativePage<NativeEvent>>
    checkpoints(
      channel: Channel,
      id: string,
      page: { after?: string | undefined; limit: number },
    ): Promise<NativePage<NativeCheckpoint>>
  }
  readonly chat: {
    /** A request for a chat completion; `body` is OpenAI's, JSON, with the provider's own model name in it. */
    request(settings: Settings, body: string): ProviderRequest
  }
  readonly models: {
    list(channel: Channel): Promise<ModelObject[]>
    /** Deletes a tuned model. */
    delete(channel: Channel, name: string): Promise<void>
    /** Whether a name has the form of a tuned model or checkpoint of this provider. */
    isTuned(name: string): boolean
  }
}
