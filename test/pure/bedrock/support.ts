/** A channel to nobody: it authorises what is sent, writes it down, and answers what a test has for it. */
import type * as z from 'zod'
import { authorise } from '../../../shared/providers/bedrock/auth.ts'
import { toFault } from '../../../shared/providers/bedrock/faults.ts'
import {
  type Channel,
  ProviderFault,
  type ProviderRequest,
  type Settings,
} from '../../../shared/providers/provider.ts'
import type { Answer } from '../../../shared/transport.ts'
import { utf8 } from '../support/bytes.ts'
import recorded from './recorded.json' with { type: 'json' }

export { recorded }

/** The instant of the recordings. */
export const NOW = Date.UTC(2026, 10, 20, 15, 36, 23)

/** The account of the recordings. */
export const SETTINGS: Settings = {
  accessKeyId: 'ASIAFAKEFAKEFAKEFAKE',
  secretAccessKey: 'fake/secret+key',
  sessionToken: 'FAKE-SESSION-TOKEN',
  region: 'us-east-1',
  roleArn: 'arn:aws:iam::123456789012:role/BedrockFT',
  bucket: 'bucket',
  prefix: '',
}

/** As the recordings were made: everything on one host, buckets in the path. */
export const LOCAL: Settings = {
  ...SETTINGS,
  bedrockUrl: 'http://127.0.0.1:40229',
  runtimeUrl: 'http://127.0.0.1:40229',
  s3Url: 'http://127.0.0.1:40229',
}

export interface Reply {
  status?: number
  headers?: Record<string, string>
  body?: string | object
}

/** A request as it would go out. */
export interface Sent {
  method: string
  url: URL
  headers: Record<string, string>
  body: string | Uint8Array | undefined
  repeat: string
  tidies: boolean
}

const bytesOf = (body: Reply['body'] = '') => utf8(typeof body === 'string' ? body : JSON.stringify(body))

export type Answering = Reply[] | ((request: ProviderRequest) => Reply | Promise<Reply>)

export const channelTo = (answering: Answering, settings: Settings = SETTINGS) => {
  const sent: Sent[] = []
  const slept: number[] = []
  const send = async (request: ProviderRequest): Promise<Answer> => {
    const headers = { ...request.headers, ...(await authorise(settings, request, { now: () => NOW })) }
    const { method, url, repeat, tidies = false } = request
    // Buffers are used again: what counts is what they held.
    const body = request.body instanceof Uint8Array ? request.body.slice() : request.body
    sent.push({ method, url, headers, body: typeof body === 'function' ? undefined : body, repeat, tidies })
    const reply = typeof answering === 'function' ? await answering(request) : answering.shift()
    if (!reply) throw new Error(`no answer left for ${method} ${url}`)
    return { status: reply.status ?? 200, headers: new Headers(reply.headers), bytes: bytesOf(reply.body) }
  }
  const call = async (request: ProviderRequest) => {
    const answer = await send(request)
    if (answer.status >= 300) throw new ProviderFault('bedrock', toFault(answer))
    return answer
  }
  const channel: Channel = {
    settings,
    call,
    async read<T extends z.ZodType>(schema: T, request: ProviderRequest) {
      const { bytes } = await call(request)
      return schema.parse(JSON.parse(new TextDecoder().decode(bytes)))
    },
    async open(request) {
      const { bytes, ...answer } = await call(request)
      return { ...answer, body: new Blob([bytes]).stream() }
    },
    sizedBody: () => {
      throw new Error('Bedrock has no use for it')
    },
    sleep: async ms => void slept.push(ms),
    now: () => NOW,
  }
  return { channel, sent, slept }
}

/** The error a thing throws. */
export const errorOf = async (run: () => unknown): Promise<Error & Record<string, unknown>> => {
  try {
    await run()
  } catch (error) {
    return error as Error & Record<string, unknown>
  }
  throw new Error('it did not throw')
}

/** `Credential` scope and signed headers of a signature. */
export const signatureOf = ({ headers }: Pick<Sent, 'headers'>) => {
  const [, scope, signedHeaders] =
    /Credential=[^/]+\/([^,]+), SignedHeaders=([^,]+), Signature=[0-9a-f]{64}$/.exec(
      headers.authorization ?? '',
    ) ?? []
  return { scope, signedHeaders }
}
