/** Requests that are repeated under an `Idempotency-Key`: carried out once, whoever dies in between. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createApp } from '../../functions/app.ts'
import { tick } from '../../functions/schedule.ts'
import { ADMIN, createKey } from '../../shared/access/index.ts'
import type { Config } from '../../shared/config.ts'
import type { Context } from '../../shared/context.ts'
import { UPLOADS } from '../../shared/datasets/upload-records.ts'
import { claimRequest, endRun, keepLease } from '../../shared/idempotency.ts'
import { updateBudget } from '../../shared/spending/index.ts'
import { type Answered, type Call, callApp, startApp, type TestApp } from './support/app.ts'
import { json } from './support/context.ts'
import { budget, COST, seen } from './support/money.ts'
import { addDataset, jobsIn, MODEL, OWNER, settle } from './support/placing.ts'
import { createWorld, type World } from './support/world.ts'

const KEY = 'order-1'
const REPLAYED = 'idempotent-replayed'
const DAY = 86_400
const job = { model: MODEL, training_file: 'file-train' }

const startWorld = async (settings: Partial<Config> = {}): Promise<World & { key: string }> => {
  const world = createWorld(['one', 'two'], settings)
  await addDataset(world)
  const { key } = await createKey(world.process().context, { name: 'k', owner: OWNER }, ADMIN)
  return { ...world, key }
}

/** A request to a process of its own, unless one is given. */
const post = async (
  { process, key }: World & { key: string },
  {
    body = job,
    path = '/v1/fine_tuning/jobs',
    idempotencyKey = KEY,
    ...rest
  }: Call & { path?: string; idempotencyKey?: string } = {},
  { config, platform }: Context = process().context,
): Promise<Answered> =>
  callApp(createApp(config), platform, path, {
    key,
    body,
    headers: { 'idempotency-key': idempotencyKey },
    ...rest,
  })

describe('a job that is asked for twice', () => {
  it('is made once, and answered alike', async () => {
    const world = await startWorld()
    const first = await post(world)
    const second = await post(world)
    expect(first).toMatchObject({ status: 200 })
    expect(second).toMatchObject({ status: 200, text: first.text })
    expect([first, second].map(({ headers }) => headers.get(REPLAYED))).toEqual([null, 'true'])
    expect(second.headers.get('content-type')).toBe(first.headers.get('content-type'))
    expect(second.headers.get('x-request-id')).not.toBe(first.headers.get('x-request-id'))
    expect(await jobsIn(world)).toHaveLength(1)
    expect(world.accounts.one?.jobs).toHaveLength(1)
  })

  it('at once is made once: who comes second is to come again', async () => {
    const world = await startWorld()
    const answers = await Promise.all([post(world), post(world), post(world)])
    const late = answers.filter(({ status }) => status === 409)
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
    expect(late).toHaveLength(2)
    for (const { error, headers } of late) {
      expect(error).toMatchObject({ code: 'idempotency_key_in_use', type: 'conflict_error' })
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(0)
    }
    expect(await jobsIn(world)).toHaveLength(1)
    expect(await post(world)).toMatchObject({ status: 200 })
    expect(world.accounts.one?.jobs).toHaveLength(1)
  })

  it('without a key is two', async () => {
    const world = await startWorld()
    for (let turn = 0; turn < 2; turn++) await post(world, { headers: {} })
    expect(world.accounts.one?.jobs).toHaveLength(2)
  })
})

describe('the same key', () => {
  it.each<[string, Parameters<typeof post>[1]]>([
    ['another body', { body: { ...job, seed: 2 } }],
    ['another path', { path: '/v1/fine_tuning/estimates' }],
    ['another query', { path: '/v1/fine_tuning/jobs?provider=two' }],
    ['another provider in a header', { headers: { 'idempotency-key': KEY, 'x-tunegate-provider': 'two' } }],
  ])('with %s is refused', async (_what, other) => {
    const world = await startWorld()
    await post(world)
    expect(await post(world, other)).toMatchObject({
      status: 422,
      error: { code: 'idempotency_key_reused', param: 'idempotency-key' },
    })
    expect(await jobsIn(world)).toHaveLength(1)
  })

  it('of another gateway key is another', async () => {
    const world = await startWorld()
    const { key } = await createKey(world.process().context, { name: 'k2', owner: OWNER }, ADMIN)
    await post(world)
    expect((await post({ ...world, key })).headers.get(REPLAYED)).toBeNull()
    expect(await jobsIn(world)).toHaveLength(2)
  })

  it.each([
    ['nothing', '', 400],
    ['255 characters', 'x'.repeat(255), 200],
    ['256 characters', 'x'.repeat(256), 400],
  ])('of %s', async (_what, idempotencyKey, status) => {
    const world = await startWorld()
    expect(await post(world, { idempotencyKey })).toMatchObject({ status })
    expect(await jobsIn(world)).toHaveLength(status === 200 ? 1 : 0)
  })
})

describe('an answer', () => {
  it('to what was never carried out is not kept: a request that is mended goes through', async () => {
    const world = await startWorld()
    expect(await post(world, { body: { ...job, n_epochs: 3 } })).toMatchObject({ status: 400 })
    expect(await post(world, { key: 'tg-wrong' })).toMatchObject({ status: 401 })
    expect(await post(world)).toMatchObject({ status: 200 })
    expect(await jobsIn(world)).toHaveLength(1)
  })

  it('that refuses what was carried out is kept', async () => {
    const world = await startWorld()
    const { one } = world.accounts
    if (one) one.mood = (method, path) => (method === 'POST' && path.endsWith('/jobs') ? 'fussy' : 'well')
    const first = await post(world)
    if (one) one.mood = () => 'well'
    const second = await post(world)
    expect(first).toMatchObject({ status: 400 })
    expect(second).toMatchObject({ status: 400, text: first.text })
    expect(second.headers.get(REPLAYED)).toBe('true')
    expect(one?.jobs).toEqual([])
  })

  it.each([
    ['5xx', 'ill'],
    ['429', 'busy'],
  ] as const)('of %s is not kept: the next is carried out', async (_what, mood) => {
    const world = await startWorld()
    const { one } = world.accounts
    if (one) one.mood = (method, path) => (method === 'POST' && path.endsWith('/jobs') ? mood : 'well')
    expect([429, 502, 503, 500]).toContain((await post(world)).status)
    if (one) one.mood = () => 'well'
    const second = await post(world)
    expect(second).toMatchObject({ status: 200 })
    await settle(world)
    expect(one?.jobs).toHaveLength(1)
    expect(await jobsIn(world)).toHaveLength(1)
  })

  it('of 402 is not kept: once the budget is raised the next is carried out', async () => {
    const world = await startWorld()
    const tight = await budget(world, { monthly_limit_usd: 0.000001 })
    expect(await post(world)).toMatchObject({ status: 402, error: { code: 'budget_exceeded' } })
    await updateBudget(world.process().context, null, tight.id, { monthly_limit_usd: 1 })
    expect(await post(world)).toMatchObject({ status: 200 })
    await settle(world)
    expect(await seen(world, tight)).toMatchObject({ spent_usd: COST, reserved_usd: 0 })
  })

  it('of 403 is not kept: once leave is given the next is carried out', async () => {
    const world = await startWorld()
    const { one } = world.accounts
    if (one) one.mood = (method, path) => (method === 'POST' && path.endsWith('/jobs') ? 'closed' : 'well')
    expect(await post(world)).toMatchObject({ status: 403 })
    if (one) one.mood = () => 'well'
    expect(await post(world)).toMatchObject({ status: 200 })
    expect(await jobsIn(world)).toHaveLength(1)
  })

  it('is kept for a day, then swept', async () => {
    const world = await startWorld()
    const first = await post(world)
    world.wait(DAY - 10)
    await tick(world.process().context)
    expect(await post(world)).toMatchObject({ text: first.text })
    const kept = async () =>
      (
        await world.platform.store.list({
          kind: 'idempotency',
          slot: 'b',
          partition: 'expired',
          order: 'asc',
          limit: 9,
        })
      ).length
    expect(await kept()).toBe(1)
    world.wait(20)
    await tick(world.process().context)
    expect(await kept()).toBe(0)
  })

  it('that is old is not told any more, swept or not', async () => {
    const world = await startWorld()
    await post(world)
    world.wait(DAY + 10)
    const second = await post(world)
    expect(second.headers.get(REPLAYED)).toBeNull()
    expect(await jobsIn(world)).toHaveLength(2)
  })
})

describe('a process that dies', () => {
  const submission = async (world: World & { key: string }, kill?: { at: number; isAfter: boolean }) => {
    const process = world.process(kill)
    const end = await process.run(context => post(world, {}, context))
    return { calls: process.calls, end }
  }
  /** Calls it makes when nobody kills it. */
  const count = async () => {
    const world = await startWorld()
    await budget(world, { monthly_limit_usd: 1 })
    return (await submission(world)).calls
  }

  it('anywhere leaves its key to the next, who makes no second job', async () => {
    const calls = await count()
    expect(calls).toBeGreaterThan(15)
    let [blocked, adopted] = [0, 0]
    for (let at = 1; at <= calls; at++) {
      for (const isAfter of [false, true]) {
        const world = await startWorld()
        const all = await budget(world, { monthly_limit_usd: 1 })
        expect((await submission(world, { at, isAfter })).end).toBe('killed')
        const before = await jobsIn(world)
        const early = await post(world)
        expect([200, 409]).toContain(early.status)
        if (early.status === 409) blocked++
        world.wait(61)
        const answer = await post(world)
        expect(answer, `killed ${isAfter ? 'after' : 'before'} call ${at}`).toMatchObject({ status: 200 })
        await settle(world)
        const jobs = await jobsIn(world)
        expect(jobs.map(({ id }) => id)).toEqual([answer.json.id])
        if (before[0]) {
          expect(answer.json.id).toBe(before[0].id)
          adopted++
        }
        expect(world.accounts.one?.jobs).toHaveLength(1)
        expect(world.accounts.two?.jobs).toEqual([])
        expect(await seen(world, all)).toMatchObject({ spent_usd: COST, reserved_usd: 0 })
      }
    }
    // The test has seen both: keys that were locked for a while, and jobs that were there already.
    expect(blocked).toBeGreaterThan(calls / 2)
    expect(adopted).toBeGreaterThan(calls / 2)
  })

  it('leaves a job on credentials of the request to the next, for no one else can place it', async () => {
    const own = { ...job, api_key: 'sk-own' }
    const config: Partial<Config> = { requestCredentials: true }
    const begin = async () => {
      const world = await startWorld(config)
      return { world, all: await budget(world, { monthly_limit_usd: 1 }) }
    }
    const probe = await begin()
    const counting = probe.world.process()
    expect(await post(probe.world, { body: own }, counting.context)).toMatchObject({ status: 200 })
    for (let at = 1; at <= counting.calls; at++) {
      const { world, all } = await begin()
      await world.process({ at, isAfter: true }).run(context => post(world, { body: own }, context))
      // Longer than a provider may take to show what it was sent.
      world.wait(200)
      const answer = await post(world, { body: own })
      expect(answer, `killed after call ${at}`).toMatchObject({ status: 200 })
      expect(world.accounts.one?.jobs, `killed after call ${at}`).toHaveLength(1)
      expect(await jobsIn(world)).toMatchObject([{ id: answer.json.id, stage: 'watching' }])
      const { reserved_usd } = await seen(world, all)
      expect(reserved_usd).toBe((answer.json.tunegate as { reserved_usd: number }).reserved_usd)
    }
  })

  it('leaves a batch to the next, who makes no second one', async () => {
    const batch = { body: { jobs: [job, { ...job, seed: 2 }] }, path: '/v1/fine_tuning/batches' }
    const probe = await startWorld()
    const counting = probe.process()
    await post(probe, batch, counting.context)
    for (let at = 1; at <= counting.calls; at++) {
      const world = await startWorld()
      const process = world.process({ at, isAfter: true })
      await process.run(context => post(world, batch, context))
      world.wait(61)
      const answer = await post(world, batch)
      expect(answer).toMatchObject({ status: 200, json: { counts: { total: 2 } } })
      const list = await callApp(
        createApp(world.process().context.config),
        world.platform,
        '/v1/fine_tuning/batches',
        { key: world.key },
      )
      expect(list.json).toMatchObject({ data: [{ id: answer.json.id }] })
    }
  })
})

describe('a process that dies while it makes', () => {
  const read = ({ process, platform, key }: World & { key: string }, path: string) =>
    callApp(createApp(process().context.config), platform, path, { key })
  const list = async (world: World & { key: string }, path: string) =>
    (await read(world, path)).json.data as Record<string, unknown>[]
  const begin = async () => {
    const world = await startWorld()
    world.platform.variables.TUNEGATE_ENCRYPTION_KEY = 'e'.repeat(32)
    return world
  }
  /** Kills a request at each of its calls in turn, sends it again, and looks. */
  const killEverywhere = async (
    what: () => Parameters<typeof post>[1],
    look: (world: World & { key: string }, answer: Answered) => Promise<void>,
  ) => {
    const probe = await begin()
    const counting = probe.process()
    await post(probe, what(), counting.context)
    expect(counting.calls).toBeGreaterThan(3)
    for (let at = 1; at <= counting.calls; at++) {
      for (const isAfter of [false, true]) {
        const world = await begin()
        const end = await world.process({ at, isAfter }).run(context => post(world, what(), context))
        expect(end).toBe('killed')
        world.wait(61)
        const answer = await post(world, what())
        expect(answer).toMatchObject({ status: 200 })
        await look(world, answer)
      }
    }
  }

  it('a file leaves one', async () => {
    const what = () => ({ path: '/v1/files', body: form('file', 'hello', 'batch') })
    await killEverywhere(what, async (world, { json: made }) => {
      const files = await list(world, '/v1/files?purpose=batch')
      expect(files.map(({ id }) => id)).toEqual([made.id])
      expect((await read(world, `/v1/files/${made.id}/content`)).text).toBe('hello')
    })
  })

  it('a file is not taken for another that comes under its key', async () => {
    const send = (text: string) => ({ path: '/v1/files', body: form('file', text, 'batch') })
    const probe = await begin()
    const counting = probe.process()
    await post(probe, send('hello'), counting.context)
    const ends = new Set<number>()
    for (let at = 1; at <= counting.calls; at++) {
      const world = await begin()
      await world.process({ at, isAfter: true }).run(context => post(world, send('hello'), context))
      world.wait(61)
      const { status, json: made } = await post(world, send('another'))
      ends.add(status)
      const texts = (await list(world, '/v1/files?purpose=batch')).map(({ id }) =>
        read(world, `/v1/files/${id}/content`),
      )
      const [kept] = (await Promise.all(texts)).map(({ text }) => text)
      expect(kept, `killed after call ${at}: ${made.id}`).toBe(status === 200 ? 'another' : 'hello')
    }
    // The test has seen both: nothing was there yet, or the first file.
    expect([...ends].sort()).toEqual([200, 422])
  })

  it('an upload leaves one', async () => {
    const body = { filename: 'x', purpose: 'batch', bytes: 10, mime_type: 'text/plain' }
    await killEverywhere(
      () => ({ path: '/v1/uploads', body }),
      async (world, { json: made }) => {
        const { items } = await UPLOADS.list(world.platform.store, 'due', 'due', { limit: 9 })
        expect(items.map(({ id }) => id)).toEqual([made.id])
      },
    )
  })

  it('a webhook endpoint leaves one, with the secret that was told', async () => {
    const body = { name: 'e', url: 'https://hooks.example.com/x', event_types: ['fine_tuning.job.succeeded'] }
    await killEverywhere(
      () => ({ path: '/v1/webhook_endpoints', body }),
      async (world, { json: made }) => {
        const hint = `whsec_…${String(made.signing_secret).slice(-5)}`
        const endpoints = await list(world, '/v1/webhook_endpoints')
        expect(endpoints).toMatchObject([{ id: made.id, signing_secret_hint: hint }])
      },
    )
  })
})

const start = (): TestApp => {
  const app = startApp(() => json({ id: 'x' }), {
    connections: { openai: { provider: 'openai', apiKey: 'sk-one', baseUrl: 'https://one.example/v1' } },
  })
  app.platform.variables.TUNEGATE_ENCRYPTION_KEY = 'e'.repeat(32)
  return app
}

const form = (name: string, content: string, purpose?: string): FormData => {
  const data = new FormData()
  if (purpose !== undefined) data.set('purpose', purpose)
  data.set(name, new File([content], 'x.txt'))
  return data
}

const LINE = JSON.stringify({
  messages: [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'b' },
  ],
})

describe('a form', () => {
  const send = (app: TestApp, key: string, body: FormData, path = '/v1/files') =>
    app.call(path, { key, body, headers: { 'idempotency-key': KEY } })
  const files = async (app: TestApp, key: string) =>
    ((await app.call('/v1/files', { key })).json.data as unknown[]).length

  it('that says the same is taken once, however its boundary reads', async () => {
    const app = start()
    const { key } = await app.key()
    const first = await send(app, key, form('file', 'hello', 'batch'))
    const second = await send(app, key, form('file', 'hello', 'batch'))
    expect(first).toMatchObject({ status: 200 })
    expect(second).toMatchObject({ status: 200, text: first.text })
    expect(second.headers.get(REPLAYED)).toBe('true')
    expect(await files(app, key)).toBe(1)
    expect(app.platform.bucket.objects.size).toBe(1)
  })

  it.each([
    ['other bytes', form('file', 'hullo', 'batch')],
    ['another field', form('file', 'hello', 'assistants')],
  ])('with %s is refused', async (_what, other) => {
    const app = start()
    const { key } = await app.key()
    await send(app, key, form('file', 'hello', 'batch'))
    expect(await send(app, key, other)).toMatchObject({
      status: 422,
      error: { code: 'idempotency_key_reused' },
    })
    expect(await files(app, key)).toBe(1)
  })

  it('that is refused is not remembered: the mended one goes through', async () => {
    const app = start()
    const { key } = await app.key()
    expect(await send(app, key, form('file', 'no json', 'fine-tune'))).toMatchObject({ status: 400 })
    const lines = `${LINE}\n`.repeat(10)
    expect(await send(app, key, form('file', lines, 'fine-tune'))).toMatchObject({ status: 200 })
    expect(await files(app, key)).toBe(1)
  })

  it('of a part is taken once', async () => {
    const app = start()
    const { key } = await app.key()
    const upload = { filename: 'x', purpose: 'batch', bytes: 10, mime_type: 'text/plain' }
    const { json: made } = await app.call('/v1/uploads', { key, body: upload })
    const path = `/v1/uploads/${made.id}/parts`
    const first = await send(app, key, form('data', 'hello'), path)
    const second = await send(app, key, form('data', 'hello'), path)
    expect(first).toMatchObject({ status: 200 })
    expect(second).toMatchObject({ text: first.text })
    expect(app.platform.bucket.objects.size).toBe(1)
    expect(await send(app, key, form('data', 'hullo'), path)).toMatchObject({ status: 422 })
  })
})

describe('every request that makes something', () => {
  const upload = { filename: 'x', purpose: 'batch', bytes: 10, mime_type: 'text/plain' }
  const endpoint = {
    name: 'e',
    url: 'https://hooks.example.com/x',
    event_types: ['fine_tuning.job.succeeded'],
  }
  it.each<[string, object]>([
    ['/v1/uploads', upload],
    ['/v1/keys', { name: 'made' }],
    ['/v1/budgets', { scope: { type: 'owner' }, monthly_limit_usd: 1 }],
    ['/v1/webhook_endpoints', endpoint],
    ['/v1/webhook_secret/rotate', {}],
  ])('POST %s is carried out once, and keeps its secrets sealed', async (path, body) => {
    const app = start()
    const { key } = await app.key({ scopes: ['files', 'jobs', 'admin'] })
    const call = { key, body, headers: { 'idempotency-key': KEY } }
    const first = await app.call(path, call)
    expect(first).toMatchObject({ status: 200 })
    const second = await app.call(path, call)
    expect(second).toMatchObject({ status: 200, text: first.text })
    expect(second.headers.get(REPLAYED)).toBe('true')
    const kept = await app.platform.store.list({
      kind: 'idempotency',
      slot: 'b',
      partition: 'expired',
      order: 'asc',
      limit: 9,
    })
    expect(kept).toHaveLength(1)
    const { key: made, signing_secret: secret } = first.json
    for (const hidden of [made, secret, KEY])
      if (typeof hidden === 'string') expect(kept[0]?.body).not.toContain(hidden)
    expect(
      await app.call(path, {
        ...call,
        body: { ...body, name: 'other', bytes: 7, filename: 'y', purpose: 'batch' },
      }),
    ).toMatchObject({ status: expect.toSatisfy((status: number) => status === 422 || status === 400) })
  })

  it('with URLs to the bucket answers fresh ones of the same upload', async () => {
    const app = start()
    let signed = 0
    app.platform.bucket.presignPut = async key => ({
      url: `https://bucket.example.com/${key}?${++signed}`,
      headers: {},
    })
    const { key } = await app.key()
    const call = { key, body: { ...upload, direct: true }, headers: { 'idempotency-key': KEY } }
    const [first, second] = [await app.call('/v1/uploads', call), await app.call('/v1/uploads', call)]
    const urlOf = ({ json: { tunegate } }: Answered) =>
      (tunegate as { parts: { url: string }[] }).parts[0]?.url
    expect(second).toMatchObject({ status: 200, json: { id: first.json.id } })
    expect(urlOf(second)).not.toBe(urlOf(first))
    const kept = await app.platform.store.list({
      ...{ kind: 'idempotency', slot: 'b', partition: 'expired', order: 'asc', limit: 9 },
    })
    expect(kept[0]?.body).not.toContain('bucket.example.com')
  })

  it('whose answer holds a secret is refused where none can be kept, before anything is made', async () => {
    const app = start()
    app.platform.variables.TUNEGATE_ENCRYPTION_KEY = undefined
    const { key } = await app.key({ scopes: ['admin', 'chat'] })
    const call = { key, body: { name: 'made' } }
    expect(await app.call('/v1/keys', { ...call, headers: { 'idempotency-key': KEY } })).toMatchObject({
      status: 500,
      error: { code: 'deployment_unconfigured' },
    })
    expect((await app.call('/v1/keys', { key })).json.data).toHaveLength(1)
    expect(await app.call('/v1/keys', call)).toMatchObject({ status: 200 })
  })

  it('but a completion: nothing of it is kept', async () => {
    const app = start()
    const { key } = await app.key()
    const body = { model: 'gpt-4.1', messages: [{ role: 'user', content: 'hi' }] }
    for (let turn = 0; turn < 2; turn++)
      await app.call('/v1/chat/completions', { key, body, headers: { 'idempotency-key': KEY } })
    expect(app.sent).toHaveLength(2)
    const kept = await app.platform.store.list({
      kind: 'idempotency',
      slot: 'b',
      partition: 'expired',
      order: 'asc',
      limit: 9,
    })
    expect(kept).toEqual([])
  })
})

describe('a lease', () => {
  afterEach(() => {
    vi.useRealTimers()
  })
  const keyed = { caller: { ...ADMIN, owner: 'o' }, key: KEY, target: 'POST /x', body: 'b' }
  const runOf = async (context: Context) => {
    const claim = await claimRequest(context, keyed, false)
    if (!('run' in claim)) return expect.fail('It was answered already.')
    return claim.run
  }
  const answer = { status: 200, headers: {}, body: 'made' }

  it('is renewed as long as the request is carried out', async () => {
    const { context, platform } = start()
    vi.useFakeTimers()
    const release = keepLease(context, await runOf(context))
    for (let minutes = 0; minutes < 3; minutes++) {
      for (let beats = 0; beats < 3; beats++) {
        platform.clock.time += 20_000
        await vi.advanceTimersByTimeAsync(20_000)
      }
      await expect(runOf(context)).rejects.toMatchObject({ status: 409 })
    }
    release()
    platform.clock.time += 60_000
    await vi.advanceTimersByTimeAsync(60_000)
    await runOf(context)
  })

  it('that was lost is lost: the late one overwrites nothing', async () => {
    const { context, platform } = start()
    const slow = await runOf(context)
    platform.clock.time += 61_000
    const next = await runOf(context)
    expect(next.ids.next('x-')).toBe(slow.ids.next('x-'))
    await endRun(context, slow, { ...answer, body: 'late' }, { isSecret: false })
    await expect(runOf(context)).rejects.toMatchObject({ status: 409 })
    await endRun(context, next, answer, { isSecret: false })
    expect(await claimRequest(context, keyed, false)).toMatchObject({ answer })
  })
})
