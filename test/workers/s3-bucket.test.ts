/** What S3's own manners ask of the Bucket over its API; the rest is in the contract. */
import { describe, expect, inject, it } from 'vitest'
import { type Bucket, createS3Bucket, readS3Settings, type S3Settings } from '../../shared/platform/index.ts'
import { presignContract } from '../support/contract.ts'

const { s3Url: url, ...access } = inject('bucketAccess')
const SETTINGS: S3Settings = { url, ...access }
const MEBIBYTE = 1024 * 1024
const text = (value: string) => new TextEncoder().encode(value)

interface Sent {
  method: string
  path: string
  query: string
}

const open = ({ settings = SETTINGS, now = () => Date.now() } = {}) => {
  const sent: Sent[] = []
  const slept: number[] = []
  const bucket: Required<Bucket> = createS3Bucket({
    settings: async () => settings,
    fetch: (request, init) => {
      const { pathname, search } = new URL(String(request))
      sent.push({ method: init?.method ?? 'GET', path: pathname, query: search })
      return fetch(request, init)
    },
    clock: {
      now,
      async sleep(ms) {
        slept.push(ms)
      },
    },
    random: () => 1,
  })
  return { bucket, sent, slept }
}

const fault = (fault: Record<string, unknown>) =>
  fetch(new URL('/_sandbox/faults', url), {
    method: 'POST',
    body: JSON.stringify(fault),
    headers: { 'content-type': 'application/json' },
  })
const read = async (bucket: Bucket, key: string) => {
  const object = await bucket.get(key)
  return object && new Response(object.body).text()
}

describe('a call', () => {
  it.each([
    ['500', { kind: 'status', status: 500 }],
    ['429', { kind: 'status', status: 429 }],
    [
      'a connection that S3 found idle',
      { kind: 'garbage', status: 400, body: '<Error><Code>RequestTimeout</Code></Error>' },
    ],
    ['no answer', { kind: 'reset' }],
    ['no answer though it was carried out', { kind: 'effect-then-reset' }],
  ])('that meets %s is repeated, after a pause that grows', async (what, kind) => {
    const key = `repeated/${what.replaceAll(' ', '-')}`
    const { bucket, slept } = open()
    await fault({ ...kind, method: 'PUT', path: `/${key}$`, times: 2 })
    await bucket.put(key, text('once more'))
    expect(await read(bucket, key)).toBe('once more')
    expect(slept).toEqual([200, 800])
  })

  it('whose answer breaks off is repeated', async () => {
    const { bucket, sent } = open()
    await bucket.put('broken-off/x', text('x'))
    await fault({ kind: 'cut-body', method: 'GET', path: `/${SETTINGS.bucket}/?$`, times: 2 })
    expect((await bucket.list('broken-off/')).objects).toEqual([{ key: 'broken-off/x', bytes: 1 }])
    expect(sent).toHaveLength(4)
  })

  it('is given up in the end', async () => {
    const { bucket, sent } = open()
    await fault({ kind: 'status', status: 503, method: 'GET', path: '/given-up$', times: 4 })
    await expect(bucket.get('given-up')).rejects.toThrow('The bucket answered GET with 503.')
    expect(sent).toHaveLength(4)
    expect(await bucket.get('given-up')).toBeUndefined()
  })

  it('that is refused is not repeated; the error names nothing but S3’s word for it', async () => {
    const { bucket, sent } = open({ settings: { ...SETTINGS, secretAccessKey: 'wrong' } })
    const error = await bucket.put('refused', text('x')).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      name: 'S3Error PUT 403 SignatureDoesNotMatch',
      message: 'The bucket answered PUT with 403 SignatureDoesNotMatch.',
    })
    expect(sent).toHaveLength(1)
  })

  it('never follows a redirect', async () => {
    const { bucket } = open()
    await fault({
      kind: 'status',
      status: 307,
      headers: { location: `${url}/elsewhere` },
      path: '/redirected$',
    })
    await expect(bucket.put('redirected', text('x'))).rejects.toThrow('307')
  })

  it('of a key that no URL can name is not made', async () => {
    const { bucket, sent } = open()
    await expect(bucket.put('files/../other', text('x'))).rejects.toThrow('No URL can name this key')
    expect(sent).toEqual([])
  })
})

describe('an upload in parts', () => {
  const parts = async (bucket: Bucket, key: string) => {
    const upload = await bucket.startMultipart(key)
    await upload.part(1, new Uint8Array(5 * MEBIBYTE).fill(1))
    await upload.part(2, new Uint8Array(7).fill(2))
    return upload
  }

  it('whose completion is not confirmed is looked up', async () => {
    const { bucket } = open()
    const upload = await parts(bucket, 'unconfirmed')
    await fault({ kind: 'effect-then-status', status: 500, method: 'POST', path: '/unconfirmed$' })
    await upload.complete()
    expect(await bucket.size('unconfirmed')).toBe(5 * MEBIBYTE + 7)
  })

  it('whose completion fails inside a 200 has failed', async () => {
    const { bucket } = open()
    const upload = await parts(bucket, 'failed-inside')
    const body = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>InternalError</Code></Error>'
    await fault({ kind: 'garbage', body, method: 'POST', path: '/failed-inside$' })
    await expect(upload.complete()).rejects.toThrow('InternalError')
    await upload.abort()
    await upload.abort()
    expect(await bucket.size('failed-inside')).toBeUndefined()
  })
})

presignContract("S3's API", now => open({ now }).bucket)

describe('a URL to write to', () => {
  it('is not there without settings', async () => {
    const bucket = createS3Bucket({
      settings: async () => undefined,
      fetch,
      clock: { now: () => 0, sleep: async () => undefined },
    })
    expect(await bucket.presignPut('key', { bytes: 1, seconds: 1 })).toBeUndefined()
    await expect(bucket.size('key')).rejects.toMatchObject({ code: 'connection_unconfigured', status: 500 })
  })
})

describe('its settings', () => {
  const complete = {
    BUCKET_S3_URL: url,
    BUCKET_S3_BUCKET: 'tunegate',
    BUCKET_S3_ACCESS_KEY_ID: 'id',
    BUCKET_S3_SECRET_ACCESS_KEY: 'secret',
  }
  const readFrom = (variables: Record<string, string>, vault: Record<string, string> = {}) =>
    readS3Settings({ get: name => variables[name] }, { get: async name => vault[name] })

  it('are variables or secrets; the region is R2’s unless it is named', async () => {
    const { BUCKET_S3_SECRET_ACCESS_KEY, ...variables } = complete
    expect(await readFrom(variables, { BUCKET_S3_SECRET_ACCESS_KEY })).toMatchObject({
      url,
      bucket: 'tunegate',
      region: 'auto',
      secretAccessKey: 'secret',
    })
    expect(await readFrom({ ...complete, BUCKET_S3_REGION: 'eu-west-1' })).toMatchObject({
      region: 'eu-west-1',
    })
    expect(await readFrom({})).toBeUndefined()
  })

  it.each([
    [{ BUCKET_S3_URL: 'nowhere' }, 'BUCKET_S3_URL is not a URL'],
    [{ BUCKET_S3_BUCKET: 'a/b' }, 'BUCKET_S3_BUCKET is not the name of a bucket'],
    [{ BUCKET_S3_SECRET_ACCESS_KEY: 'sec\nret' }, 'BUCKET_S3_SECRET_ACCESS_KEY holds'],
  ])('%j are refused by name, and not quoted', async (change, message) => {
    const error = await readFrom({ ...complete, ...change }).catch((thrown: Error) => thrown)
    expect(error).toMatchObject({
      code: 'connection_unconfigured',
      message: expect.stringContaining(message),
    })
    expect(String(error)).not.toMatch(/sec\nret/)
  })

  it.each(['BUCKET_S3_BUCKET', 'BUCKET_S3_ACCESS_KEY_ID', 'BUCKET_S3_SECRET_ACCESS_KEY'])(
    'without %s are refused',
    async name => {
      const { [name]: _, ...rest }: Record<string, string> = complete
      await expect(readFrom(rest)).rejects.toMatchObject({
        message: expect.stringContaining(`${name} is missing`),
      })
    },
  )
})
