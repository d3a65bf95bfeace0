/** Every route of the app × every kind of caller. A route that is new has no row here, and fails. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { type App, createApp } from '../../functions/app.ts'
import { ADMIN, createKey, revokeKey } from '../../shared/access/index.ts'
import { defineConfig } from '../../shared/config.ts'
import { type KeyRequest, SCOPES, type Scope } from '../../shared/openai/index.ts'
import type { Platform } from '../../shared/platform/index.ts'
import { ADMIN_KEY, type Answered, type Call, callApp } from './support/app.ts'
import { addDataset, MODEL, OWNER, settle } from './support/placing.ts'
import { createWorld } from './support/world.ts'

const ISSUER = 'https://id.example.com'
const HOOK = 'https://hooks.example.com/x'

/** What the routes are about, all of one owner. */
interface Things {
  file: string
  upload: string
  part: string
  job: string
  model: string
  batch: string
  endpoint: string
  /** Of the job's own `webhook_url`, and of the endpoint. */
  jobDelivery: string
  delivery: string
  key: string
  budget: string
}
const UNKNOWN: Things = {
  ...{ file: 'file-none', upload: 'upload_none', part: 'part_none', job: 'ftjob-none' },
  ...{ model: 'ft:none:x::none', batch: 'ftbatch-none', endpoint: 'whe_none', key: 'key_none' },
  ...{ jobDelivery: 'whd_none', delivery: 'whd_none', budget: 'budget_none' },
}

interface Row {
  /** One of these lets in; null: nobody needs any. */
  scopes: readonly Scope[] | null
  /** Where the pattern alone does not say. */
  path?: (things: Things) => string
  call?: (things: Things) => Call
  /** What its owner gets; 200 unless given. */
  own?: number
  /** What someone else gets who may call it. */
  stranger: 200 | 404 | 401
  /** More than one caller may put an end to it: each gets a world of its own. */
  isLast?: true
}

const data = (name: string) => {
  const form = new FormData()
  form.set(name, new File(['x'], 'x.txt'))
  if (name === 'file') form.set('purpose', 'batch')
  return form
}
const job = (things: Things) => ({ model: MODEL, training_file: things.file })
const chat = { model: MODEL, messages: [{ role: 'user', content: 'hi' }] }
const post = (): Call => ({ method: 'POST' })
const anyone: Row = { scopes: null, call: () => ({ body: {} }), own: 401, stranger: 401 }
const predicts: Row = { scopes: ['chat'], path: () => '', call: () => ({ body: {} }), stranger: 200 }
const predict = (verb: string): Row => ({ ...predicts, path: () => `/v1/vertex_ai/endpoints/77:${verb}` })
const files: Pick<Row, 'scopes'> = { scopes: ['files'] }
const jobs: Pick<Row, 'scopes'> = { scopes: ['jobs'] }
const models: Pick<Row, 'scopes'> = { scopes: ['models'] }
const admin: Pick<Row, 'scopes'> = { scopes: ['admin'] }
const money: Pick<Row, 'scopes'> = { scopes: ['jobs', 'admin'] }
/** The job is over, and OpenAI's models need no deployment: the owner is told that, and no one else anything. */
const NO_USE = 400

const TABLE: Record<string, Row> = {
  'POST /v1/keys': { ...admin, call: () => ({ body: { name: 'k', scopes: ['admin'] } }), stranger: 200 },
  'GET /v1/keys': { ...admin, stranger: 200 },
  'DELETE /v1/keys/:id': { ...admin, path: t => `/v1/keys/${t.key}`, stranger: 404 },

  'POST /v1/budgets': {
    ...admin,
    call: t => ({ body: { scope: { type: 'key', key_id: t.key }, monthly_limit_usd: 1000 } }),
    stranger: 404,
  },
  'GET /v1/budgets': { ...money, stranger: 200 },
  'GET /v1/budgets/:id': { ...money, path: t => `/v1/budgets/${t.budget}`, stranger: 404 },
  'POST /v1/budgets/:id': {
    ...admin,
    path: t => `/v1/budgets/${t.budget}`,
    call: () => ({ body: { monthly_limit_usd: 2000 } }),
    stranger: 404,
  },
  'DELETE /v1/budgets/:id': {
    ...admin,
    path: t => `/v1/budgets/${t.budget}`,
    stranger: 404,
    isLast: true,
  },
  'GET /v1/costs': { ...money, path: () => '/v1/costs?start_time=1', stranger: 200 },

  'POST /v1/files': { ...files, call: () => ({ body: data('file') }), stranger: 200 },
  'POST /v1/files/validate': { ...files, call: t => ({ body: { file: t.file } }), stranger: 404 },
  'GET /v1/files': { ...files, stranger: 200 },
  'GET /v1/files/:id': { ...files, path: t => `/v1/files/${t.file}`, stranger: 404 },
  'GET /v1/files/:id/content': { ...files, path: t => `/v1/files/${t.file}/content`, stranger: 404 },
  'DELETE /v1/files/:id': { ...files, path: t => `/v1/files/${t.file}`, stranger: 404 },

  'POST /v1/uploads': {
    ...files,
    call: () => ({ body: { filename: 'x', purpose: 'batch', bytes: 1, mime_type: 'text/plain' } }),
    stranger: 200,
  },
  'GET /v1/uploads/:id': { ...files, path: t => `/v1/uploads/${t.upload}`, stranger: 404 },
  'POST /v1/uploads/:id/parts': {
    ...files,
    path: t => `/v1/uploads/${t.upload}/parts`,
    call: () => ({ body: data('data') }),
    stranger: 404,
  },
  'POST /v1/uploads/:id/complete': {
    ...files,
    path: t => `/v1/uploads/${t.upload}/complete`,
    call: t => ({ body: { part_ids: [t.part] } }),
    stranger: 404,
  },
  'POST /v1/uploads/:id/cancel': {
    ...files,
    path: t => `/v1/uploads/${t.upload}/cancel`,
    call: post,
    stranger: 404,
  },

  'POST /v1/fine_tuning/jobs': { ...jobs, call: t => ({ body: job(t) }), stranger: 404 },
  'GET /v1/fine_tuning/jobs': { ...jobs, stranger: 200 },
  'GET /v1/fine_tuning/jobs/:id': { ...jobs, path: t => `/v1/fine_tuning/jobs/${t.job}`, stranger: 404 },
  ...Object.fromEntries(
    ['events', 'metrics', 'checkpoints', 'deliveries'].map((what): [string, Row] => [
      `GET /v1/fine_tuning/jobs/:id/${what}`,
      { ...jobs, path: t => `/v1/fine_tuning/jobs/${t.job}/${what}`, stranger: 404 },
    ]),
  ),
  'POST /v1/fine_tuning/jobs/:id/deliveries/:delivery/redeliver': {
    ...jobs,
    path: t => `/v1/fine_tuning/jobs/${t.job}/deliveries/${t.jobDelivery}/redeliver`,
    call: post,
    stranger: 404,
  },
  ...Object.fromEntries(
    ['cancel', 'pause', 'resume'].map((command): [string, Row] => [
      `POST /v1/fine_tuning/jobs/:id/${command}`,
      {
        ...jobs,
        path: t => `/v1/fine_tuning/jobs/${t.job}/${command}`,
        call: post,
        own: NO_USE,
        stranger: 404,
      },
    ]),
  ),
  'POST /v1/fine_tuning/jobs/:id/deploy': {
    ...models,
    path: t => `/v1/fine_tuning/jobs/${t.job}/deploy`,
    call: post,
    own: NO_USE,
    stranger: 404,
  },
  'GET /v1/fine_tuning/jobs/:id/deployment': {
    ...models,
    path: t => `/v1/fine_tuning/jobs/${t.job}/deployment`,
    stranger: 404,
  },
  'DELETE /v1/fine_tuning/jobs/:id/deployment': {
    ...models,
    path: t => `/v1/fine_tuning/jobs/${t.job}/deployment`,
    stranger: 404,
  },
  'GET /v1/fine_tuning/compare': {
    ...jobs,
    path: t => `/v1/fine_tuning/compare?jobs=${t.job}`,
    stranger: 404,
  },
  'GET /v1/fine_tuning/suggestions': {
    ...jobs,
    path: t => `/v1/fine_tuning/suggestions?model=${MODEL}&training_file=${t.file}`,
    stranger: 404,
  },
  'POST /v1/fine_tuning/estimates': { ...jobs, call: t => ({ body: job(t) }), stranger: 404 },
  'POST /v1/fine_tuning/batches': { ...jobs, call: t => ({ body: { jobs: [job(t)] } }), stranger: 404 },
  'GET /v1/fine_tuning/batches': { ...jobs, stranger: 200 },
  'GET /v1/fine_tuning/batches/:id': {
    ...jobs,
    path: t => `/v1/fine_tuning/batches/${t.batch}`,
    stranger: 404,
  },
  'GET /v1/fine_tuning/batches/:id/summary': {
    ...jobs,
    path: t => `/v1/fine_tuning/batches/${t.batch}/summary`,
    stranger: 404,
  },
  'POST /v1/fine_tuning/batches/:id/cancel': {
    ...jobs,
    path: t => `/v1/fine_tuning/batches/${t.batch}/cancel`,
    call: post,
    stranger: 404,
  },

  'POST /v1/chat/completions': { scopes: ['chat'], call: () => ({ body: chat }), stranger: 200 },
  'GET /v1/models': { scopes: ['models', 'chat'], stranger: 200 },
  'GET /v1/models/:model{.+}': {
    scopes: ['models', 'chat'],
    path: t => `/v1/models/${t.model}`,
    stranger: 404,
  },
  'DELETE /v1/models/:model{.+}': { ...models, path: t => `/v1/models/${t.model}`, stranger: 404 },
  ...Object.fromEntries(
    ['predict', 'rawPredict', 'streamRawPredict'].map(verb => [
      `POST /v1/vertex_ai/endpoints/:target{[^/]+:${verb}}`,
      predict(verb),
    ]),
  ),

  'POST /v1/webhook_endpoints': {
    ...jobs,
    call: () => ({ body: { name: 'e', url: HOOK, event_types: ['fine_tuning.job.succeeded'] } }),
    stranger: 200,
  },
  'GET /v1/webhook_endpoints': { ...jobs, stranger: 200 },
  'GET /v1/webhook_endpoints/:id': {
    ...jobs,
    path: t => `/v1/webhook_endpoints/${t.endpoint}`,
    stranger: 404,
  },
  'POST /v1/webhook_endpoints/:id': {
    ...jobs,
    path: t => `/v1/webhook_endpoints/${t.endpoint}`,
    call: () => ({ body: { name: 'other' } }),
    stranger: 404,
  },
  'DELETE /v1/webhook_endpoints/:id': {
    ...jobs,
    path: t => `/v1/webhook_endpoints/${t.endpoint}`,
    stranger: 404,
  },
  'POST /v1/webhook_endpoints/:id/rotate_secret': {
    ...jobs,
    path: t => `/v1/webhook_endpoints/${t.endpoint}/rotate_secret`,
    call: () => ({ body: {} }),
    stranger: 404,
  },
  'POST /v1/webhook_endpoints/:id/test': {
    ...jobs,
    path: t => `/v1/webhook_endpoints/${t.endpoint}/test`,
    call: () => ({ body: { event_type: 'fine_tuning.job.succeeded' } }),
    stranger: 404,
  },
  'GET /v1/webhook_endpoints/:id/deliveries': {
    ...jobs,
    path: t => `/v1/webhook_endpoints/${t.endpoint}/deliveries`,
    stranger: 404,
  },
  'POST /v1/webhook_endpoints/:id/deliveries/:delivery/redeliver': {
    ...jobs,
    path: t => `/v1/webhook_endpoints/${t.endpoint}/deliveries/${t.delivery}/redeliver`,
    call: post,
    stranger: 404,
  },
  'GET /v1/webhook_event_types': { ...jobs, stranger: 200 },
  'GET /v1/webhook_secret': { ...jobs, stranger: 200 },
  'POST /v1/webhook_secret/rotate': { ...jobs, call: () => ({ body: {} }), stranger: 200 },

  'POST /webhooks/openai': anyone,
  'POST /webhooks/azure': anyone,
  'POST /webhooks/vertex': anyone,
  'POST /webhooks/bedrock': anyone,
}

const routesOf = (app: App): string[] => [
  ...new Set(
    app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`),
  ),
]

describe('the table', () => {
  it('has a row for each route of the app, and none for any other', () => {
    expect(Object.keys(TABLE).toSorted()).toEqual(routesOf(createApp(defineConfig())).toSorted())
  })

  it('has a row of a stranger’s 404 for each route that names a thing', () => {
    const naming = Object.entries(TABLE).filter(([route]) => /\/:(id|model)/.test(route))
    expect(naming.filter(([, { stranger }]) => stranger !== 404)).toEqual([])
    expect(naming.length).toBeGreaterThan(30)
  })
})

interface Setting {
  things: Things
  send(route: string, of: Things, key: string | null): Promise<Answered>
  /** Writes to the store and the bucket, and calls to anyone but the identity provider. */
  deeds(): number
  keys: Record<Role, string | null>
}

const OUTSIDE = ['no key', 'a wrong key', 'a revoked key', 'an expired key', 'a token of no one'] as const
const SINGLE = SCOPES.map(scope => `a key with ${scope} alone` as const)
const ROLES = [
  ...OUTSIDE,
  ...SINGLE,
  'the deployment’s admin',
  'a full key of another owner',
  'a user of an identity provider',
  'a user with the scope admin',
] as const
type Role = (typeof ROLES)[number]

const pair = await generateKeyPair('ES256', { extractable: true })
const foreign = await generateKeyPair('ES256', { extractable: true })
const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k', alg: 'ES256' }

const ANSWERS: [RegExp, () => Response][] = [
  [/^https:\/\/id\.example\.com\/keys$/, () => Response.json({ keys: [jwk] })],
  [/^https:\/\/hooks\.example\.com\//, () => new Response()],
  [/aiplatform\.googleapis\.com/, () => Response.json({ predictions: [] })],
  [/\/v1\/chat\/completions$/, () => Response.json({ id: 'x' })],
  [/\/v1\/models(\/|$)/, () => Response.json({ object: 'list', data: [], deleted: true, id: 'x' })],
]

const setUp = async (): Promise<Setting> => {
  const world = createWorld(['one'], {
    connections: {
      one: { provider: 'openai', apiKey: 'sk-one', baseUrl: 'https://one.example.com/v1' },
      vertex_ai: { provider: 'vertex_ai', accessToken: 't', project: 'proj-x', endpoints: { 77: 'predict' } },
    },
    oidc: [
      {
        ...{ issuer: ISSUER, audience: 'tunegate', jwksUrl: `${ISSUER}/keys`, algorithms: ['ES256'] },
        scopes: { claim: 'scope' },
      },
    ],
  })
  const { variables, fetch } = world.platform
  variables.TUNEGATE_ADMIN_KEY = ADMIN_KEY
  variables.TUNEGATE_ENCRYPTION_KEY = 'e'.repeat(32)
  let deeds = 0
  const { store, bucket } = world.platform
  const counted =
    <A extends unknown[], T>(deed: (...args: A) => T) =>
    (...args: A): T => {
      deeds++
      return deed(...args)
    }
  Object.assign(store, {
    put: counted(store.put),
    putAll: counted(store.putAll),
    delete: counted(store.delete),
  })
  Object.assign(bucket, { put: counted(bucket.put), delete: counted(bucket.delete) })
  world.platform.fetch = async (request, init) => {
    const url = typeof request === 'string' ? request : request.url
    if (!url.startsWith(ISSUER)) deeds++
    return ANSWERS.find(([form]) => form.test(url))?.[1]() ?? fetch(request, init)
  }
  const { context } = world.process()
  const platform: Platform = world.platform
  const app = createApp(context.config)
  await addDataset(world)

  const seconds = () => Math.floor(platform.clock.now() / 1000)
  const make = (grants: Omit<KeyRequest, 'name'> = {}) =>
    createKey(context, { name: 'k', owner: OWNER, ...grants }, ADMIN)
  const { key: mine, record } = await make({ scopes: [...SCOPES] })
  const call = (path: string, options: Call = {}) => callApp(app, platform, path, { key: mine, ...options })
  const made = async (path: string, body: object | FormData) => {
    const answer = await call(path, { body })
    if (answer.status !== 200) throw new Error(`${path}: ${answer.text}`)
    return String(answer.json.id)
  }
  const upload = { filename: 'x', purpose: 'batch', bytes: 1, mime_type: 'text/plain' }
  const endpoint = await made('/v1/webhook_endpoints', {
    ...{ name: 'e', url: HOOK, event_types: ['fine_tuning.job.succeeded'] },
  })
  const uploadId = await made('/v1/uploads', upload)
  const jobId = await made('/v1/fine_tuning/jobs', {
    ...{ model: MODEL, training_file: 'file-train', webhook_url: HOOK },
  })
  await settle(world)
  const first = async (path: string) => {
    const { data: list } = (await call(path)).json as { data: { id: string }[] }
    return list[0]?.id ?? ''
  }
  const things: Things = {
    file: 'file-train',
    upload: uploadId,
    part: await made(`/v1/uploads/${uploadId}/parts`, data('data')),
    job: jobId,
    model: String((await call(`/v1/fine_tuning/jobs/${jobId}`)).json.fine_tuned_model),
    batch: await made('/v1/fine_tuning/batches', { jobs: [{ model: MODEL, training_file: 'file-train' }] }),
    endpoint,
    jobDelivery: await first(`/v1/fine_tuning/jobs/${jobId}/deliveries`),
    delivery: await first(`/v1/webhook_endpoints/${endpoint}/deliveries`),
    key: (await make()).record.id,
    budget: await made('/v1/budgets', { scope: { type: 'owner' }, monthly_limit_usd: 1000 }),
  }
  const revoked = await make({ scopes: [...SCOPES] })
  await revokeKey(context, revoked.record.id, ADMIN)
  const expired = await make({ scopes: [...SCOPES], expires_at: seconds() + 1 })
  world.wait(2)
  const user = (scope: string, key = pair.privateKey) =>
    new SignJWT({ iss: ISSUER, aud: 'tunegate', sub: 'alice', scope })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setExpirationTime(seconds() + 600)
      .sign(key)
  const single = await Promise.all(SCOPES.map(scope => make({ scopes: [scope] })))
  const keys: [Role, string | null][] = [
    ['no key', null],
    ['a wrong key', `tg-${'x'.repeat(43)}`],
    ['a revoked key', revoked.key],
    ['an expired key', expired.key],
    ['a token of no one', await user(SCOPES.join(' '), foreign.privateKey)],
    ...single.map(({ key }, index): [Role, string] => [SINGLE[index] ?? 'no key', key]),
    ['the deployment’s admin', ADMIN_KEY],
    ['a full key of another owner', (await make({ owner: 'other', scopes: [...SCOPES] })).key],
    ['a user of an identity provider', await user('files jobs chat models')],
    ['a user with the scope admin', await user('admin')],
  ]
  if (record.owner !== OWNER) throw new Error('The keys are not the owner’s.')
  return {
    things,
    keys: Object.fromEntries(keys) as Setting['keys'],
    deeds: () => deeds,
    send(route, of, key) {
      const row = TABLE[route]
      const [method = '', pattern = ''] = route.split(' ')
      const path = row?.path?.(of) ?? pattern
      return callApp(app, platform, path, { method, ...row?.call?.(of), key })
    },
  }
}

/** The status that a caller is to get. */
const expected = ({ scopes, own = 200, stranger }: Row, role: Role): number => {
  if (scopes === null) return own
  if ((OUTSIDE as readonly string[]).includes(role)) return 401
  if (role === 'the deployment’s admin') return scopes.includes('admin') ? own : 401
  const granted: Partial<Record<Role, readonly Scope[]>> = {
    'a full key of another owner': SCOPES,
    'a user of an identity provider': ['files', 'jobs', 'chat', 'models'],
    'a user with the scope admin': ['admin'],
    ...Object.fromEntries(SINGLE.map((name, index) => [name, SCOPES.slice(index, index + 1)])),
  }
  if (!scopes.some(scope => granted[role]?.includes(scope))) return 403
  return (SINGLE as readonly string[]).includes(role) ? own : stranger
}

const CODES: Record<number, string> = { 401: 'authentication_error', 403: 'permission_error' }

/** An answer without what names the thing. */
const told = ({ status, text }: Answered, of: Things): string =>
  Object.values(of)
    .toSorted((a, b) => b.length - a.length)
    .reduce((masked, id) => masked.replaceAll(id, '…'), `${status} ${text}`)

describe.each(Object.entries(TABLE))('%s', (route, row) => {
  let setting: Setting
  beforeAll(async () => {
    setting = await setUp()
  })

  // Its owner's calls come last: they may end what it is about.
  const inTurn = ROLES.toSorted(
    (a, b) =>
      Number((SINGLE as readonly string[]).includes(a)) - Number((SINGLE as readonly string[]).includes(b)),
  )
  it.each(inTurn.map(role => [role, expected(row, role)] as const))('%s: %i', async (role, status) => {
    if (row.isLast) setting = await setUp()
    const { things, keys, send, deeds } = setting
    const before = deeds()
    const answer = await send(route, things, keys[role])
    expect(answer, answer.text).toMatchObject({
      status,
      ...(CODES[status] && { error: { type: CODES[status] } }),
    })
    if (status === 403) expect(answer.error.code).toBe('insufficient_permissions')
    if (status === 401 || status === 403) expect(deeds()).toBe(before)
    if (status === 404)
      expect(told(answer, things)).toBe(told(await send(route, UNKNOWN, keys[role]), UNKNOWN))
    const isStranger = expected(row, role) === 200 && !(SINGLE as readonly string[]).includes(role)
    if (isStranger && role !== 'the deployment’s admin')
      for (const id of Object.values(things)) expect(answer.text).not.toContain(id)
  })
})

describe('a route that no door is for', () => {
  it('is closed, to everyone', async () => {
    const { keys } = await setUp()
    const world = createWorld(['one'])
    world.platform.variables.TUNEGATE_ADMIN_KEY = ADMIN_KEY
    const app = createApp(defineConfig())
    app.get('/v1/forgotten', c => c.text('open'))
    app.get('/forgotten', c => c.text('open'))
    for (const path of ['/v1/forgotten', '/forgotten'])
      for (const key of [null, keys['a full key of another owner'], ADMIN_KEY])
        expect(await callApp(app, world.platform, path, { key })).toMatchObject({
          status: 404,
          error: { code: 'unknown_url' },
        })
  })
})
