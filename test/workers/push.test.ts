/** What providers tell of their own accord, in workerd: proved, heard once, and only a reason to ask. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { signatureHeaders } from '../../sandbox/webhooks.ts'
import { JOBS, type JobRecord } from '../../shared/training/records.ts'
import { datasetFile, type Gateway, SANDBOX, sandbox, startGateway } from '../support/gateway.ts'
import { ground } from '../support/ground.ts'
import { PROVIDERS, providerVariables } from '../support/providers.ts'

const SECRET = `whsec_${btoa('s'.repeat(32))}`
const OTHER = `whsec_${btoa('o'.repeat(32))}`
const AUDIENCE = 'https://gateway.test/webhooks/vertex'
const EMAIL = 'push@project.iam.gserviceaccount.com'
const KEYS_URL = 'https://keys.example.com/certs'
const API_KEY = 'eventbridge-secret'

/** Google's keys, served to the gateway in place of Google. */
const google = { keys: [] as object[], fetched: 0, isAway: false }
const newKey = async (kid: string) => {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  return { privateKey, kid, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'RS256', use: 'sig' } }
}
type Key = Awaited<ReturnType<typeof newKey>>
let [current, next, foreign] = [] as unknown as [Key, Key, Key]

/** What goes on after an answer. */
const deferred = new Set<Promise<unknown>>()
const settled = async () => {
  for (; deferred.size > 0; await new Promise(resolve => setTimeout(resolve, 1))) {
    for (const work of deferred) {
      await work
      deferred.delete(work)
    }
  }
}

const start = async (variables: Record<string, unknown> = {}): Promise<Gateway> => {
  const { fetch } = ground.createPlatform({})
  return startGateway({
    variables: {
      ...(await providerVariables(SANDBOX)),
      OPENAI_WEBHOOK_SECRET: SECRET,
      AZURE_OPENAI_WEBHOOK_SECRET: SECRET,
      BEDROCK_WEBHOOK_SECRET: API_KEY,
      VERTEX_PUSH_AUDIENCE: AUDIENCE,
      VERTEX_PUSH_SERVICE_ACCOUNT: EMAIL,
      GOOGLE_KEYS_URL: KEYS_URL,
      ...variables,
    },
    platform: {
      defer: work => void deferred.add(work),
      async fetch(request, init) {
        if ((typeof request === 'string' ? request : request.url) !== KEYS_URL) return fetch(request, init)
        google.fetched++
        return google.isAway ? new Response('', { status: 503 }) : Response.json({ keys: google.keys })
      },
    },
  })
}

beforeAll(async () => {
  ;[current, next, foreign] = await Promise.all([newKey('current'), newKey('next'), newKey('current')])
})
beforeEach(async () => {
  await sandbox.reset()
  await sandbox.settings({ stepMs: 0 })
  Object.assign(google, { keys: [current.jwk], fetched: 0, isAway: false })
})

/** A job that runs, and about which no one asks. */
const running = async (gateway: Gateway, provider: string): Promise<JobRecord> => {
  const client = await gateway.client()
  const file = await client.files.create({ file: datasetFile(12), purpose: 'fine-tune' })
  const model = PROVIDERS.find(each => each.provider === provider)?.model ?? ''
  const params = { model, training_file: file.id, provider }
  const { id } = await client.fineTuning.jobs.create(params)
  const job = await stored(gateway, id)
  expect(job.status).not.toBe('succeeded')
  return job
}
const stored = async ({ platform }: Gateway, id: string): Promise<JobRecord> => {
  const job = (await JOBS.get(platform.store, id))?.value
  if (!job) throw new Error(`there is no ${id}`)
  return job
}
/** Messages come until the gateway knows of the job's end. @returns the last one */
const toldUntilKnown = async (
  gateway: Gateway,
  { id }: JobRecord,
  tell: () => Promise<Message> | Message,
): Promise<Message> => {
  for (;;) {
    const message = await tell()
    expect(await send(gateway, message)).toMatchObject({ status: 200 })
    await settled()
    if ((await stored(gateway, id)).status === 'succeeded') return message
  }
}

type Message = { path: string; headers: Record<string, string>; body: string }
const send = async (gateway: Gateway, { path, headers, body }: Message) => {
  const init = { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body }
  const answer = await gateway.fetch(path, init)
  return { status: answer.status, json: (await answer.json()) as { error?: { code: string; type: string } } }
}

const now = () => Math.floor(Date.now() / 1000)
const event = (id: string, type = 'fine_tuning.job.succeeded') =>
  JSON.stringify({ id: 'evt_1', object: 'event', type, created_at: now(), data: { id } })
const signed = (
  path: string,
  body: string,
  { secret = SECRET, ...at }: { secret?: string; id?: string; at?: number } = {},
): Message => ({ path, headers: signatureHeaders(secret, body, at), body })

const eventBridge = (jobArn: string, parts: object = {}) =>
  JSON.stringify({
    version: '0',
    id: crypto.randomUUID(),
    'detail-type': 'Model Customization Job State Change',
    source: 'aws.bedrock',
    account: '123456789012',
    time: new Date().toISOString(),
    region: 'us-east-1',
    resources: [jobArn],
    detail: { version: '0.0', jobName: 'n', jobArn, jobStatus: 'Failed' },
    ...parts,
  })
const bridged = (body: string, key: string | null = API_KEY): Message => ({
  path: '/webhooks/bedrock',
  headers: key === null ? {} : { 'x-api-key': key },
  body,
})

const pubSub = (name: string) => {
  const entry = { logName: 'projects/p/logs/x', protoPayload: { resourceName: name }, severity: 'NOTICE' }
  return JSON.stringify({
    message: { data: btoa(JSON.stringify(entry)), messageId: crypto.randomUUID(), attributes: {} },
    subscription: 'projects/p/subscriptions/s',
  })
}
const token = (claims: Record<string, unknown> = {}, key: Key = current) =>
  new SignJWT({
    aud: AUDIENCE,
    iss: 'https://accounts.google.com',
    email: EMAIL,
    email_verified: true,
    sub: '1',
    iat: now(),
    exp: now() + 3600,
    ...claims,
  })
    .setProtectedHeader({ alg: 'RS256', kid: key.kid, typ: 'JWT' })
    .sign(key.privateKey)
const pushed = (body: string, jwt: string | null): Message => ({
  path: '/webhooks/vertex',
  headers: jwt === null ? {} : { authorization: `Bearer ${jwt}` },
  body,
})

/** How each provider would tell of a job's end. */
const TELL: Record<string, (nativeId: string) => Promise<Message> | Message> = {
  openai: id => signed('/webhooks/openai', event(id)),
  azure: id => signed('/webhooks/azure', event(id)),
  vertex_ai: async id => pushed(pubSub(id), await token()),
  bedrock: id => bridged(eventBridge(id)),
}

describe.each(Object.keys(TELL))('what %s tells', provider => {
  const tell = (nativeId: string) => TELL[provider]?.(nativeId) as Promise<Message>

  it('makes the job be asked for', async () => {
    const gateway = await start()
    const job = await running(gateway, provider)
    await toldUntilKnown(gateway, job, () => tell(job.native_id ?? ''))
  })

  it('is taken though the job is not ours', async () => {
    const gateway = await start()
    const job = await running(gateway, provider)
    const name = (job.native_id ?? '').replace(/\w{4}$/, '0000')
    expect(await send(gateway, await tell(name))).toMatchObject({ status: 200 })
    expect((await stored(gateway, job.id)).status).toBe(job.status)
  })

  it('is acted on once', async () => {
    const gateway = await start()
    const job = await running(gateway, provider)
    const message = await toldUntilKnown(gateway, job, () => tell(job.native_id ?? ''))
    await JOBS.update(gateway.platform.store, job.id, () => job)
    const before = (await sandbox.requests()).length
    expect(await send(gateway, message)).toMatchObject({ status: 200 })
    await settled()
    expect((await sandbox.requests()).slice(before)).toEqual([])
    // It is the message that is old, not the job: another one is followed.
    await toldUntilKnown(gateway, job, () => tell(job.native_id ?? ''))
  })

  it('is refused where nothing is configured', async () => {
    const gateway = await start({
      OPENAI_WEBHOOK_SECRET: '',
      AZURE_OPENAI_WEBHOOK_SECRET: '',
      BEDROCK_WEBHOOK_SECRET: '',
      VERTEX_PUSH_AUDIENCE: '',
    })
    const refused = await send(gateway, await tell('x/1'))
    expect(refused).toMatchObject({ status: 401, json: { error: { code: 'invalid_signature' } } })
  })
})

describe.each(['openai', 'azure'])('a message to /webhooks/%s', path => {
  const at = `/webhooks/${path}`
  const body = event('ftjob-1')
  it.each<[string, () => Message]>([
    ['without a signature', () => ({ path: at, headers: {}, body })],
    ['signed with another secret', () => signed(at, body, { secret: OTHER })],
    ['that was changed', () => ({ ...signed(at, body), body: event('ftjob-2') })],
    [
      'under another id',
      () => ({ ...signed(at, body), headers: { ...signed(at, body).headers, 'webhook-id': 'x' } }),
    ],
    ['of six minutes ago', () => signed(at, body, { at: now() - 360 })],
    ['of in six minutes', () => signed(at, body, { at: now() + 360 })],
    [
      'with a signature of no version',
      () => ({ path: at, body, headers: { ...signed(at, body).headers, 'webhook-signature': 'v1' } }),
    ],
    [
      'with a time that is none',
      () => ({ path: at, body, headers: { ...signed(at, body).headers, 'webhook-timestamp': 'soon' } }),
    ],
  ])('%s is refused', async (_what, message) => {
    const gateway = await start()
    expect(await send(gateway, message())).toMatchObject({
      status: 401,
      json: { error: { code: 'invalid_signature', type: 'authentication_error', param: null } },
    })
  })

  it.each([
    ['of four minutes ago', () => signed(at, body, { at: now() - 240 })],
    ['of another kind', () => signed(at, event('batch_1', 'batch.completed'))],
    ['that is no JSON', () => signed(at, 'hello')],
    [
      'with a foreign signature beside its own',
      () => {
        const message = signed(at, body)
        const signature = `v1,${btoa('x'.repeat(32))} ${message.headers['webhook-signature']}`
        return { ...message, headers: { ...message.headers, 'webhook-signature': signature } }
      },
    ],
  ])('%s is taken', async (_what, message) => {
    expect(await send(await start(), message())).toMatchObject({ status: 200 })
  })
})

describe('a message to /webhooks/bedrock', () => {
  const body = eventBridge('arn:aws:bedrock:us-east-1:123456789012:model-customization-job/a/b')
  it.each([
    ['without a key', null],
    ['with another key', 'other'],
    ['with the beginning of the key', API_KEY.slice(0, -1)],
    ['with an empty key', ''],
  ])('%s is refused', async (_what, key) => {
    expect(await send(await start(), bridged(body, key))).toMatchObject({
      status: 401,
      json: { error: { code: 'invalid_signature' } },
    })
  })

  it.each([
    ['of another source', { source: 'aws.s3' }],
    ['of another kind', { 'detail-type': 'Batch Inference Job State Change' }],
  ])('%s makes nothing be asked for', async (_what, parts) => {
    const gateway = await start()
    const job = await running(gateway, 'bedrock')
    await settled()
    const before = (await sandbox.requests()).length
    const message = bridged(eventBridge(job.native_id ?? '', parts))
    expect(await send(gateway, message)).toMatchObject({ status: 200 })
    await settled()
    expect((await sandbox.requests()).slice(before)).toEqual([])
  })
})

describe('a message to /webhooks/vertex', () => {
  const body = pubSub('projects/1/locations/us-central1/tuningJobs/1')
  it.each<[string, () => Promise<string | null>]>([
    ['without a token', async () => null],
    ['with what is no token', async () => 'abc'],
    ['signed by another key of the same name', () => token({}, foreign)],
    ['signed by a key that Google does not have', () => token({}, next)],
    ['for another audience', () => token({ aud: 'https://elsewhere.test/' })],
    ['of another issuer', () => token({ iss: 'https://evil.test' })],
    ['of another service account', () => token({ email: 'other@project.iam.gserviceaccount.com' })],
    ['of an address that is not verified', () => token({ email_verified: false })],
    ['without an address', () => token({ email: undefined })],
    ['that has expired', () => token({ iat: now() - 7200, exp: now() - 3600 })],
    ['that never expires', () => token({ exp: undefined })],
    [
      'signed with nothing',
      async () => {
        const [, claims] = (await token()).split('.')
        return `${btoa('{"alg":"none"}').replaceAll('=', '')}.${claims}.`
      },
    ],
    [
      "signed with Google's public key as a password",
      async () =>
        new SignJWT({ aud: AUDIENCE, iss: 'https://accounts.google.com', email: EMAIL, email_verified: true })
          .setProtectedHeader({ alg: 'HS256', kid: 'current' })
          .setExpirationTime('1h')
          .sign(new TextEncoder().encode(JSON.stringify(current.jwk))),
    ],
  ])('%s is refused', async (_what, jwt) => {
    expect(await send(await start(), pushed(body, await jwt()))).toMatchObject({
      status: 401,
      json: { error: { code: 'invalid_signature' } },
    })
  })

  it('is checked with keys that are fetched once', async () => {
    const gateway = await start()
    for (const _ of [1, 2, 3]) await send(gateway, pushed(body, await token()))
    expect(google.fetched).toBe(1)
  })

  it('is checked with a new key as soon as there is one, which junk cannot make us look for again and again', async () => {
    const gateway = await start()
    expect(await send(gateway, pushed(body, await token()))).toMatchObject({ status: 200 })
    google.keys = [current.jwk, next.jwk]
    expect(await send(gateway, pushed(body, await token({}, next)))).toMatchObject({ status: 200 })
    const junk = { ...foreign, kid: 'junk' }
    for (const _ of [1, 2, 3, 4, 5]) await send(gateway, pushed(body, await token({}, junk)))
    // The turn of a minute may come in between.
    expect(google.fetched).toBeLessThanOrEqual(3)
  })

  it('is asked to come again while the keys cannot be had', async () => {
    google.isAway = true
    const gateway = await start()
    const message = pushed(body, await token())
    expect((await send(gateway, message)).status).toBe(502)
    google.isAway = false
    expect((await send(gateway, message)).status).toBe(200)
  })
})

describe('the paths', () => {
  it('are open without a gateway key, and no others are', async () => {
    const gateway = await start()
    for (const path of ['openai', 'azure', 'vertex', 'bedrock']) {
      const answer = await send(gateway, { path: `/webhooks/${path}`, headers: {}, body: '{}' })
      expect([path, answer.json.error?.code]).toEqual([path, 'invalid_signature'])
    }
    for (const path of ['/webhooks/openai_compatible', '/webhooks/vertex_ai', '/webhooks/', '/webhooks']) {
      expect([path, (await send(gateway, { path, headers: {}, body: '{}' })).status]).toEqual([path, 404])
    }
    for (const path of ['/v1/webhook_endpoints', '/v1/webhook_secret/rotate']) {
      expect([path, (await send(gateway, { path, headers: {}, body: '{}' })).status]).toEqual([path, 401])
    }
  })

  it('take no more than a message needs', async () => {
    const gateway = await start()
    const answer = await send(gateway, signed('/webhooks/openai', 'x'.repeat(1024 * 1024 + 1)))
    expect(answer).toMatchObject({ status: 413, json: { error: { code: 'body_too_large' } } })
  })

  it('use no credential that a message brings', async () => {
    const gateway = await start()
    const job = await running(gateway, 'openai')
    await toldUntilKnown(gateway, job, () => {
      const { path, headers, body } = signed('/webhooks/openai', event(job.native_id ?? ''))
      return { path, headers: { ...headers, 'x-tunegate-api-key': 'sk-of-the-sender' }, body }
    })
    const used = (await sandbox.requests()).map(({ headers }) => headers.authorization ?? '')
    expect(used.join()).not.toContain('sk-of-the-sender')
  })
})
