/**
 * The Bucket over S3's API: S3 itself, R2 from outside, anything that speaks it. Its fetch is the platform's own.
 * @module
 */
import { AwsV4Signer } from 'aws4fetch'
import { ApiError } from '../openai/index.ts'
import type { Bucket, Clock, Platform } from './ports.ts'
import {
  abortUpload,
  completeUpload,
  deleteObject,
  getObject,
  headObject,
  isCompleted,
  isS3Location,
  listingOf,
  listObjects,
  MOST_LISTED,
  putObject,
  type Query,
  type S3Call,
  s3ObjectUrl,
  signingTime,
  startUpload,
  uploadIdOf,
  uploadPart,
} from './s3.ts'
import { S3_VARIABLES, type S3Settings } from './s3-settings.ts'
import { xmlText } from './xml.ts'

export interface S3BucketOptions {
  /** Read anew from time to time: keys change. Undefined: the deployment has no such bucket. */
  settings: () => Promise<S3Settings | undefined>
  fetch: Platform['fetch']
  clock: Clock
  /** 0 to 1. */
  random?: () => number
}

/** Milliseconds that settings are used before they are read again. */
const SETTINGS_TTL_MS = 60_000
/** Milliseconds before each repetition; full jitter lies between. */
const DELAYS_MS = [200, 800, 3200]
/** Milliseconds to an answer's head. */
const PATIENCE_MS = 60_000

/** Keys derived from a secret for a day, a region and a service: four of the five HMACs of a signature. */
const derivedKeys = new Map<string, ArrayBuffer>()
/** Yesterday's would else gather here. */
const MOST_DERIVED_KEYS = 10

/** An answer that is none of those a call may have. Its name goes to the log, where messages do not. */
class S3Error extends Error {
  constructor(method: string, status: number | 'no answer', code: string | undefined, cause?: unknown) {
    super(`The bucket answered ${method} with ${status}${code === undefined ? '' : ` ${code}`}.`, { cause })
    this.name = `S3Error ${method} ${status} ${code ?? ''}`.trim()
  }
}

/** An answer, read whole unless what it brings is read as it comes. */
interface S3Answer {
  status: number
  ok: boolean
  headers: Headers
  text: string
  body: ReadableStream<Uint8Array> | null
}

/** S3's word for what went wrong; nothing else of its document, which repeats keys and what was signed. */
const codeOf = (xml: string) => /^\w{1,64}$/.exec(xmlText(xml, 'Code') ?? '')?.[0]

/** @param code S3 answers with 400 `RequestTimeout`, where others have 408, when a connection was found idle */
const isToRepeat = (status: number, code: string | undefined) =>
  status === 408 || status === 429 || status >= 500 || code === 'RequestTimeout'

/** Every call is safe to repeat: it writes what it names, whole or not at all. */
export const createS3Bucket = ({
  settings,
  fetch,
  clock,
  random = Math.random,
}: S3BucketOptions): Required<Bucket> => {
  let known: { value: S3Settings | undefined; until: number } | undefined
  const find = async (): Promise<S3Settings | undefined> => {
    if (known === undefined || clock.now() >= known.until)
      known = { value: await settings(), until: clock.now() + SETTINGS_TTL_MS }
    return known.value
  }
  const need = async (): Promise<S3Settings> => {
    const found = await find()
    if (found) return found
    throw new ApiError({
      status: 500,
      code: 'connection_unconfigured',
      message: `The deployment has no bucket: ${S3_VARIABLES.url} is missing.`,
    })
  }

  const urlOf = ({ url, bucket }: S3Settings, key: string, query?: Query): URL => {
    if (!isS3Location({ bucket, key })) throw new Error('No URL can name this key.')
    return s3ObjectUrl(new URL(url), { bucket, key }, query)
  }
  const signer = (
    settings: S3Settings,
    request: { method: S3Call['method']; url: URL; headers: Record<string, string> },
    more: { signQuery?: true; allHeaders?: true } = {},
  ) => {
    if (derivedKeys.size >= MOST_DERIVED_KEYS) derivedKeys.clear()
    return new AwsV4Signer({
      method: request.method,
      url: request.url.href,
      headers: request.headers,
      accessKeyId: settings.accessKeyId,
      secretAccessKey: settings.secretAccessKey,
      ...(settings.sessionToken !== undefined && { sessionToken: settings.sessionToken }),
      service: 's3',
      region: settings.region,
      datetime: signingTime(clock.now()),
      cache: derivedKeys,
      ...more,
    })
  }

  const attempt = async (
    key: string,
    { method, query, headers, body }: S3Call,
    isStreamed: boolean,
  ): Promise<S3Answer | S3Error> => {
    const found = await need()
    const signed = await signer(found, { method, url: urlOf(found, key, query), headers }).sign()
    const timer = new AbortController()
    const timeout = setTimeout(() => timer.abort(), PATIENCE_MS)
    try {
      const response = await fetch(signed.url.href, {
        method,
        headers: signed.headers,
        redirect: 'manual',
        signal: timer.signal,
        ...(body !== undefined && { body }),
      })
      const { ok, status } = response
      if (isStreamed && ok) return { status, ok, headers: response.headers, text: '', body: response.body }
      return { status, ok, headers: response.headers, text: await response.text(), body: null }
    } catch (cause) {
      return new S3Error(method, 'no answer', undefined, cause)
    } finally {
      clearTimeout(timeout)
    }
  }

  /** @returns a success, or one of the statuses that are an answer too */
  const send = async (
    key: string,
    call: S3Call,
    expected: readonly number[] = [],
    isStreamed = false,
  ): Promise<S3Answer> => {
    for (let attempts = 0; ; attempts++) {
      const outcome = await attempt(key, call, isStreamed)
      if (!(outcome instanceof S3Error)) {
        if (outcome.ok || expected.includes(outcome.status)) return outcome
        const code = codeOf(outcome.text)
        if (attempts >= DELAYS_MS.length || !isToRepeat(outcome.status, code))
          throw new S3Error(call.method, outcome.status, code)
      } else if (attempts >= DELAYS_MS.length) throw outcome
      await clock.sleep(random() * (DELAYS_MS[attempts] ?? 0))
    }
  }

  const NOTHING = 404
  const BEYOND_THE_END = 416

  const bucket: Required<Bucket> = {
    async put(key, bytes) {
      await send(key, putObject(bytes as Uint8Array<ArrayBuffer>))
    },
    async startMultipart(key) {
      const id = uploadIdOf((await send(key, startUpload())).text)
      if (id === undefined) throw new S3Error('POST', 200, 'WithoutUploadId')
      const tags: string[] = []
      let size = 0
      return {
        async part(number, bytes) {
          const { headers } = await send(key, uploadPart(id, number, bytes as Uint8Array<ArrayBuffer>))
          const tag = headers.get('etag')
          if (tag === null) throw new S3Error('PUT', 200, 'WithoutETag')
          tags[number - 1] = tag
          size += bytes.length
        },
        async complete() {
          const failure = await send(key, completeUpload(id, tags)).then(
            ({ text }) => (isCompleted(text) ? undefined : new S3Error('POST', 200, codeOf(text))),
            (error: unknown) => error,
          )
          // What a lost answer leaves open is looked up.
          if (failure !== undefined && (await bucket.size(key)) !== size) throw failure
        },
        async abort() {
          await send(key, abortUpload(id), [NOTHING])
        },
      }
    },
    async get(key, from = 0) {
      const answer = await send(key, getObject(from), [NOTHING, BEYOND_THE_END], true)
      if (answer.ok && answer.body) {
        const range = /\/(\d+)$/.exec(answer.headers.get('content-range') ?? '')?.[1]
        return { body: answer.body, size: Number(range ?? answer.headers.get('content-length')) }
      }
      if (answer.status === NOTHING) return undefined
      // S3 has no range of no bytes: at the very end there is nothing left to read.
      const size = await bucket.size(key)
      return size === undefined ? undefined : { body: new Blob([]).stream(), size }
    },
    async size(key) {
      const answer = await send(key, headObject(), [NOTHING])
      return answer.status === NOTHING ? undefined : Number(answer.headers.get('content-length'))
    },
    async delete(...keys) {
      await Promise.all(keys.map(key => send(key, deleteObject(), [NOTHING])))
    },
    async list(prefix, after) {
      const { items, hasMore } = listingOf((await send('', listObjects(prefix, MOST_LISTED, after))).text)
      return { objects: items.map(({ key, bytes }) => ({ key, bytes })), hasMore }
    },
    async presignPut(key, { bytes, seconds }) {
      const found = await find()
      if (!found) return undefined
      // A browser names the length by itself, and lets no page do it.
      const headers = { 'if-none-match': '*' }
      const signed = await signer(
        found,
        {
          method: 'PUT',
          url: urlOf(found, key, { 'X-Amz-Expires': seconds }),
          headers: { ...headers, 'content-length': String(bytes) },
        },
        { signQuery: true, allHeaders: true },
      ).sign()
      return { url: signed.url.href, headers }
    },
  }
  return bucket
}
