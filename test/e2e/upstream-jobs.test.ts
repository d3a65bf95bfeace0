/** A provider that fails while a job is made or steered: no job is lost, none is doubled. */
import { describe, expect, it } from 'vitest'
import type { Fault } from '../../sandbox/server.ts'
import { itIsJudged, type Owner, refusal, until, useBench } from './support/bench.ts'
import { datasetFile, isOver, jobWhen, uploaded } from './support/data.ts'

/** Repeats that do not keep a test waiting. */
const bench = useBench({ config: 'test/e2e/support/configured.config.ts' })

const CREATE = { method: 'POST', path: '/fine_tuning/jobs$' }
const FIND = { method: 'GET', path: '/fine_tuning/jobs$' }
const GET = { method: 'GET', path: '/fine_tuning/jobs/[^/]+$' }
const UPLOAD = { method: 'POST', path: '/files$' }

const spoil = (where: { method: string; path: string }, fault: Partial<Fault> & Pick<Fault, 'kind'>) =>
  bench.stack.sandbox.fault({ ...where, ...fault })

/** An owner with a dataset, ready to train. */
const ready = async () => {
  const owner = await bench.owner()
  const { id: training_file } = await uploaded(owner.client)
  const params = { model: 'gpt-4.1-mini', training_file }
  const before = new Set((await bench.state()).jobs.items.map(({ id }) => id))
  const nativeJobs = async () => (await bench.state()).jobs.items.filter(({ id }) => !before.has(id))
  return { ...owner, params, nativeJobs }
}

const listed = async ({ client }: Owner) => (await client.fineTuning.jobs.list()).data

describe('creating a job', () => {
  it.each<[string, Partial<Fault> & Pick<Fault, 'kind'>]>([
    ['acted, then answered 500', { kind: 'effect-then-status', status: 500 }],
    ['acted, then answered 503', { kind: 'effect-then-status', status: 503 }],
    ['acted, then broke off', { kind: 'effect-then-reset' }],
    ['acted, and its answer was cut', { kind: 'cut-body' }],
    ['answered 500 without acting', { kind: 'status', status: 500 }],
    ['broke off without acting', { kind: 'reset' }],
    ['answered garbage without acting', { kind: 'garbage' }],
    ['was busy', { kind: 'status', status: 429, headers: { 'retry-after': '0' } }],
  ])('at a provider that %s: one job, and the client gets it', async (_what, fault) => {
    const world = await ready()
    spoil(CREATE, fault)
    const job = await world.client.fineTuning.jobs.create(world.params)
    const natives = await world.nativeJobs()
    expect(natives).toHaveLength(1)
    expect(job).toMatchObject({ tunegate: { native_id: natives[0]?.id } })
    expect(natives[0]?.metadata).toEqual({ tunegate_job: job.id })
    expect((await listed(world)).map(({ id }) => id)).toEqual([job.id])
    expect((await jobWhen(world.client, job.id, isOver)).status).toBe('succeeded')
  })

  it.each<[string, Partial<Fault> & Pick<Fault, 'kind'>, object]>([
    ['refuses it', { kind: 'status', status: 400 }, { status: 400 }],
    ['forbids it', { kind: 'status', status: 403 }, { status: 403 }],
    [
      'refuses the key',
      { kind: 'status', status: 401 },
      { status: 401, code: 'provider_authentication_failed' },
    ],
    [
      'stays busy',
      { kind: 'status', status: 429, times: 9, headers: { 'retry-after': '0' } },
      { status: 429, code: 'rate_limit_exceeded' },
    ],
  ])('at a provider that %s: the error, and no job anywhere', async (_what, fault, expected) => {
    const world = await ready()
    spoil(CREATE, fault)
    expect(await refusal(world.client.fineTuning.jobs.create(world.params))).toMatchObject(expected)
    bench.stack.sandbox.clearFaults()
    expect(await world.nativeJobs()).toEqual([])
    expect(await listed(world)).toEqual([])
  })

  describe('when it stays unknown whether the provider acted', () => {
    const unknown = async () => {
      const world = await ready()
      spoil(CREATE, { kind: 'effect-then-reset' })
      spoil(FIND, { kind: 'status', status: 500, times: 999 })
      const client = await bench.client(world.key, { maxRetries: 2 })
      const sent = bench.watch()
      const error = await refusal(client.fineTuning.jobs.create(world.params))
      const creations = sent().filter(({ method, path }) => method === 'POST' && path.endsWith('/jobs'))
      return { ...world, error, creations }
    }

    it('says so, keeps the job, and asks not to be called again', async () => {
      const world = await unknown()
      expect(world.error).toMatchObject({ status: 502, code: 'submission_outcome_unknown' })
      expect(world.error.headers?.get('x-should-retry')).toBe('false')
      // Though the official client would repeat a 502.
      expect(world.creations).toHaveLength(1)
      const [kept] = await listed(world)
      expect(world.error.message).toContain(kept?.id)
      expect(kept).toMatchObject({ status: 'queued', tunegate: { native_id: null } })
      expect(await world.nativeJobs()).toHaveLength(1)
    })

    it('takes the job in as soon as the provider can be asked', async () => {
      const world = await unknown()
      const [kept] = await listed(world)
      bench.stack.sandbox.clearFaults()
      const job = await jobWhen(world.client, kept?.id ?? '', isOver)
      expect(job.status).toBe('succeeded')
      const natives = await world.nativeJobs()
      expect(natives).toHaveLength(1)
      expect(job).toMatchObject({ tunegate: { native_id: natives[0]?.id } })
    })

    it('cancels the job as soon as the provider tells whether it has it', async () => {
      await bench.set({ stepMs: 50 })
      const world = await unknown()
      const [kept] = await listed(world)
      expect(await world.client.fineTuning.jobs.cancel(kept?.id ?? '')).toMatchObject({ status: 'queued' })
      bench.stack.sandbox.clearFaults()
      const job = await jobWhen(world.client, kept?.id ?? '', isOver)
      expect(job.status).toBe('cancelled')
      expect((await world.nativeJobs()).map(({ status }) => status)).toEqual(['cancelled'])
    })

    it.each(['pause', 'resume'] as const)('does not %s what it does not know', async command => {
      const world = await unknown()
      const [kept] = await listed(world)
      expect(await refusal(world.client.fineTuning.jobs[command](kept?.id ?? ''))).toMatchObject({
        status: 409,
        code: 'invalid_state',
      })
      expect((await world.client.fineTuning.jobs.checkpoints.list(kept?.id ?? '')).data).toEqual([])
      const events = (await world.client.fineTuning.jobs.listEvents(kept?.id ?? '')).data
      expect(events.filter(({ message }) => message.startsWith('Accepted'))).toEqual([])
    })

    it('also after silence: 504', async () => {
      const world = await ready()
      spoil(CREATE, { kind: 'hang', times: 9 })
      const params = { ...world.params, timeout: 0.3 }
      const error = await refusal(world.client.fineTuning.jobs.create(params))
      expect(error).toMatchObject({ status: 504, code: 'submission_outcome_unknown' })
      expect((await listed(world)).map(({ status }) => status)).toEqual(['queued'])
    })
  })

  it('is finished though the client has left', async () => {
    const world = await ready()
    spoil(CREATE, { kind: 'slow', delayMs: 600 })
    const leaving = new AbortController()
    const sent = bench.watch()
    const call = world.client.fineTuning.jobs.create(world.params, { signal: leaving.signal })
    const left = expect(call).rejects.toThrow()
    await until(sent, requests =>
      requests.some(({ method, path }) => method === 'POST' && path.endsWith('/jobs')),
    )
    leaving.abort()
    await left
    const [job] = await until(
      () => listed(world),
      jobs => jobs[0] !== undefined && isOver(jobs[0]),
    )
    expect(job?.status).toBe('succeeded')
    expect(await world.nativeJobs()).toHaveLength(1)
  })

  it.each<[string, Partial<Fault> & Pick<Fault, 'kind'>]>([
    ['fails', { kind: 'status', status: 500 }],
    ['breaks off', { kind: 'reset' }],
    ['is busy', { kind: 'status', status: 429, headers: { 'retry-after': '0' } }],
  ])('uploads the dataset again when the upload %s', async (_what, fault) => {
    const world = await ready()
    spoil(UPLOAD, fault)
    const job = await world.client.fineTuning.jobs.create(world.params)
    expect(await jobWhen(world.client, job.id, isOver)).toMatchObject({
      status: 'succeeded',
      trained_tokens: expect.any(Number),
    })
  })

  it('leaves no job when the dataset cannot be uploaded', async () => {
    const world = await ready()
    spoil(UPLOAD, { kind: 'status', status: 503, times: 9 })
    expect(await refusal(world.client.fineTuning.jobs.create(world.params))).toMatchObject({
      status: 503,
      code: 'server_is_overloaded',
    })
    expect(await listed(world)).toEqual([])
    expect(await world.nativeJobs()).toEqual([])
  })
})

describe('watching a job', () => {
  it.each<[string, Partial<Fault> & Pick<Fault, 'kind'>]>([
    ['answers 500', { kind: 'status', status: 500, times: 9 }],
    ['is busy', { kind: 'status', status: 429, times: 9, headers: { 'retry-after': '0' } }],
    ['answers garbage', { kind: 'garbage', times: 9 }],
    ['breaks off', { kind: 'reset', times: 9 }],
  ])('tells what is known while the provider %s', async (_what, fault) => {
    const world = await ready()
    const created = await world.client.fineTuning.jobs.create(world.params)
    spoil(GET, fault)
    expect(await world.client.fineTuning.jobs.retrieve(created.id)).toEqual(created)
    expect(await listed(world)).toEqual([created])
    bench.stack.sandbox.clearFaults()
    expect((await jobWhen(world.client, created.id, isOver)).status).toBe('succeeded')
  })

  it('tells the events that are known while the feed fails, and all of them afterwards', async () => {
    const world = await ready()
    const { id } = await world.client.fineTuning.jobs.create(world.params)
    await jobWhen(world.client, id, isOver)
    spoil({ method: 'GET', path: '/events$' }, { kind: 'status', status: 500, times: 9 })
    const messages = async () =>
      (await world.client.fineTuning.jobs.listEvents(id, { limit: 1000 })).data.map(({ message }) => message)
    expect((await messages()).some(message => message.startsWith('Accepted by openai'))).toBe(true)
    bench.stack.sandbox.clearFaults()
    expect((await messages())[0]).toContain('successfully completed')
  })
})

describe('steering a job', () => {
  it.each<[string, Partial<Fault> & Pick<Fault, 'kind'>, object]>([
    ['fails', { kind: 'status', status: 500 }, { status: 500, code: 'server_error' }],
    ['breaks off', { kind: 'reset' }, { status: 502, code: 'provider_unreachable' }],
  ])('tells when it %s, and can be tried again', async (_what, fault, expected) => {
    await bench.set({ stepMs: 50 })
    const world = await ready()
    const { id } = await world.client.fineTuning.jobs.create(world.params)
    spoil({ method: 'POST', path: '/cancel$' }, fault)
    expect(await refusal(world.client.fineTuning.jobs.cancel(id))).toMatchObject(expected)
    expect((await world.client.fineTuning.jobs.retrieve(id)).finished_at).toBeNull()
    expect(await world.client.fineTuning.jobs.cancel(id)).toMatchObject({ status: 'cancelled' })
  })
})

describe('deleting a file', () => {
  it('tells of a copy that the provider would not delete', async () => {
    const world = await ready()
    const { id } = await world.client.fineTuning.jobs.create(world.params)
    await jobWhen(world.client, id, isOver)
    spoil({ method: 'DELETE', path: '^/v1/files/' }, { kind: 'status', status: 500, times: 9 })
    expect(await world.client.files.delete(world.params.training_file)).toMatchObject({
      deleted: true,
      tunegate: { copies_left: [{ connection: 'openai', native_id: expect.stringMatching(/^file-/) }] },
    })
    expect(await refusal(world.client.files.retrieve(world.params.training_file))).toMatchObject({
      status: 404,
    })
  })
})

describe('downloading a result file', () => {
  it('never ends cleanly when the provider breaks off', async () => {
    const world = await ready()
    const { id } = await world.client.fineTuning.jobs.create(world.params)
    const { result_files } = await jobWhen(world.client, id, isOver)
    const content = () => world.client.files.content(result_files[0] ?? '')
    const whole = await (await content()).text()
    expect(whole.length).toBeGreaterThan(1000)
    spoil({ method: 'GET', path: '/content$' }, { kind: 'cut-body' })
    await expect(content().then(response => response.text())).rejects.toThrow()
    expect(await (await content()).text()).toBe(whole)
  })
})

describe('listing models', () => {
  it('tells that the provider cannot be asked', async () => {
    const { client } = await bench.owner()
    spoil({ method: 'GET', path: '/models$' }, { kind: 'reset', times: 9 })
    expect(await refusal(client.models.list())).toMatchObject({ status: 502, code: 'provider_unreachable' })
  })
})

describe('an upload', () => {
  it('needs no provider', async () => {
    const { client } = await bench.owner()
    const sent = bench.watch()
    await uploaded(client, datasetFile(30))
    expect(sent()).toEqual([])
  })
})

itIsJudged(bench)
