import { describe, expect, it } from 'vitest'
import { complete, deleteModel, findTunedModel } from '../../shared/serving/index.ts'
import {
  deleteDeployment,
  deployJob,
  getDeployment,
  getJob,
  jobCheckpoints,
  jobEvents,
} from '../../shared/training/index.ts'
import { JOBS, type JobRecord } from '../../shared/training/records.ts'
import { type FakeBench, fault, nativeDeployment, nativeJob, startFake } from './support/fake-provider.ts'
import { jobRecord } from './support/job-record.ts'

const OWNER = 'owner'
const ID = 'ftjob-AbCdEf12345678'

const runningJob = (parts: Partial<JobRecord> = {}): JobRecord =>
  jobRecord({ id: ID, request: { model: 'base', training_file: 'file-1', suffix: 'shop' }, ...parts })

/** A job that has succeeded at the provider, its tune entered. */
const start = async (options?: Parameters<typeof startFake>[0]) => {
  const bench = startFake(options)
  await JOBS.create(bench.platform.store, runningJob())
  const job = await getJob(bench.context, OWNER, ID)
  return { ...bench, job, name: job.fine_tuned_model ?? '' }
}

const chat = ({ context }: FakeBench, model: string, owner = OWNER) =>
  complete(context, owner, JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }))

const said = async ({ context }: FakeBench) =>
  (await jobEvents(context, OWNER, ID, { limit: 100 })).data.map(({ message }) => message)

describe('the name of a tune', () => {
  it("is the gateway's where the provider's own cannot be said, and the provider gets its own", async () => {
    const { context, name } = await start()
    expect(name).toBe('ft:base:fake:shop:12345678')
    expect(await findTunedModel(context, OWNER, name)).toMatchObject({
      native: 'arn:tune/1',
      deployment: null,
      base_model: 'publishers/fake/base',
      job: ID,
      kind: 'model',
    })
    await expect(findTunedModel(context, 'other', name)).rejects.toMatchObject({ status: 404 })
  })

  it("is the provider's where it is one", async () => {
    const bench = await start({ tuneNames: 'native', isDeployed: false })
    expect(bench.name).toBe('arn:tune/1')
    await chat(bench, bench.name)
    expect(bench.state.chats[0]?.body.model).toBe('arn:tune/1')
  })

  it('has no suffix where none was asked for', async () => {
    const { context, platform } = startFake()
    const request = { model: 'base', training_file: 'file-1' }
    await JOBS.create(platform.store, runningJob({ request }))
    expect((await getJob(context, OWNER, ID)).fine_tuned_model).toBe('ft:base:fake::12345678')
  })

  it.each([
    ['failed', nativeJob({ status: 'failed', error: { code: 'x', message: 'No.', param: null } })],
    ['cancelled', nativeJob({ status: 'cancelled' })],
    ['running', nativeJob({ status: 'running' })],
    ['succeeded without a model', nativeJob({ fineTunedModel: null })],
  ])('is not there for a job that is %s', async (_, native) => {
    const { context, platform, state } = startFake()
    state.job = native
    await JOBS.create(platform.store, runningJob())
    expect((await getJob(context, OWNER, ID)).fine_tuned_model).toBeNull()
    expect(await findTunedModel(context, OWNER, 'ft:base:fake:shop:12345678')).toBeUndefined()
  })

  it('of a tune that is called by its own name needs no deployment', async () => {
    const bench = await start({ isDeployed: false })
    await chat(bench, bench.name)
    expect(bench.state.chats[0]?.body.model).toBe('arn:tune/1')
  })
})

describe('checkpoints that the job itself tells', () => {
  const CHECKPOINTS = [3, 2, 1].map(step => ({
    id: `cp-${step}`,
    createdAt: 1_700_000_000 + step,
    model: `arn:tune/1/${step}`,
    step,
    metrics: { train_loss: 1 / step },
  }))
  const told = async () => {
    const bench = startFake({ isDeployed: false })
    bench.state.job = nativeJob({ checkpoints: CHECKPOINTS })
    await JOBS.create(bench.platform.store, runningJob())
    await getJob(bench.context, OWNER, ID)
    return bench
  }

  it('come in pages, under names of the gateway', async () => {
    const { context } = await told()
    const first = await jobCheckpoints(context, OWNER, ID, { limit: 2 })
    expect(first.data.map(({ id, fine_tuned_model_checkpoint: model }) => [id, model])).toEqual([
      ['cp-3', 'ft:base:fake:shop:12345678:ckpt-step-3'],
      ['cp-2', 'ft:base:fake:shop:12345678:ckpt-step-2'],
    ])
    expect(first.has_more).toBe(true)
    const second = await jobCheckpoints(context, OWNER, ID, { limit: 2, after: 'cp-2' })
    expect(second).toMatchObject({ has_more: false, data: [{ id: 'cp-1', step_number: 1 }] })
  })

  it("are their owner's models, and the provider gets its own name", async () => {
    const bench = await told()
    const name = 'ft:base:fake:shop:12345678:ckpt-step-2'
    await chat(bench, name)
    expect(bench.state.chats[0]?.body.model).toBe('arn:tune/1/2')
    await expect(chat(bench, name, 'other')).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
  })
})

describe('a tune that has to be deployed', () => {
  const NOT_READY = { status: 409, code: 'model_not_deployed', param: 'model' }

  it('says what is missing before it is', async () => {
    const bench = await start()
    const error = await chat(bench, bench.name).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({
      ...NOT_READY,
      // The official clients repeat a 409 by themselves: that would not help.
      headers: { 'x-should-retry': 'false' },
      message: expect.stringContaining(`POST /v1/fine_tuning/jobs/${ID}/deploy`),
    })
    expect(bench.state.chats).toEqual([])
    expect(await getDeployment(bench.context, OWNER, ID)).toEqual({
      id: null,
      object: 'fine_tuning.job.deployment',
      fine_tuning_job_id: ID,
      model: bench.name,
      status: 'none',
      created_at: null,
      error: null,
      tunegate: { provider: 'fake', connection: 'main', native_status: null },
    })
    // What is not there is not asked for.
    expect(bench.state.deployments).toEqual([])
  })

  it('says for how long it has been on its way, and answers as soon as it is there', async () => {
    const bench = await start()
    const { context, state, platform } = bench
    const asked = Math.floor(platform.clock.time / 1000)
    expect(await deployJob(context, OWNER, ID)).toMatchObject({
      id: 'deployment-1',
      model: bench.name,
      status: 'deploying',
      created_at: asked,
      error: null,
      tunegate: { native_status: 'Creating' },
    })
    platform.clock.time += 95_000
    await expect(chat(bench, bench.name)).rejects.toMatchObject({
      ...NOT_READY,
      message: expect.stringMatching(/ 95 s .*\(Creating\)/),
    })
    state.deployment = nativeDeployment({ status: 'ready', nativeStatus: 'Active' })
    await chat(bench, bench.name)
    expect(state.chats.map(({ body }) => body.model)).toEqual(['arn:deployed/1'])
    expect(await getDeployment(context, OWNER, ID)).toMatchObject({ status: 'ready', created_at: asked })
    // A deployment that is ready costs a completion no question more.
    const before = state.deployments.length
    await chat(bench, bench.name)
    expect(state.deployments).toHaveLength(before)
    expect(await said(bench)).toContain(`Deployment of ${bench.name} asked for.`)
  })

  it('is deployed once, however often that is asked for, under a name of the job', async () => {
    const { context, state } = await start()
    for (let times = 0; times < 3; times++) await deployJob(context, OWNER, ID)
    expect(state.deployments).toEqual([
      'create tunegate-abcdef12345678 of arn:tune/1',
      'get deployment-1',
      'get deployment-1',
    ])
  })

  it('says why when it failed, and can be deployed anew', async () => {
    const bench = await start()
    const { context, state, platform } = bench
    await deployJob(context, OWNER, ID)
    state.deployment = nativeDeployment({ status: 'failed', nativeStatus: 'CreateFailed', error: 'No quota' })
    await expect(chat(bench, bench.name)).rejects.toMatchObject({
      ...NOT_READY,
      message: expect.stringMatching(/failed \(CreateFailed\): No quota\.$/),
    })
    expect(await getDeployment(context, OWNER, ID)).toMatchObject({ status: 'failed', error: 'No quota' })
    state.deployment = nativeDeployment({ status: 'failed', nativeStatus: 'CreateFailed' })
    await expect(chat(bench, bench.name)).rejects.toMatchObject({
      message: expect.stringMatching(/reason\.$/),
    })

    platform.clock.time += 600_000
    state.deployment = nativeDeployment({ id: 'deployment-2' })
    const anew = await deployJob(context, OWNER, ID)
    // Since when this one has been asked for, not the one that failed.
    expect(anew).toMatchObject({
      id: 'deployment-2',
      status: 'deploying',
      created_at: Math.floor(platform.clock.time / 1000),
    })
    expect(state.deployments.filter(call => call.startsWith('create'))).toHaveLength(2)
  })

  it.each([
    ['is no longer there', () => fault(404)],
    ['tells as deleted', () => nativeDeployment({ status: 'deleted' })],
  ])('that the provider %s is not deployed, and is deployed anew by asking once', async (_, found) => {
    const bench = await start()
    const { context, state } = bench
    state.deployment = nativeDeployment({ status: 'ready' })
    await deployJob(context, OWNER, ID)
    state.deployment = found()
    expect(await getDeployment(context, OWNER, ID)).toMatchObject({
      id: null,
      status: 'none',
      created_at: null,
    })
    await expect(chat(bench, bench.name)).rejects.toMatchObject({
      ...NOT_READY,
      message: expect.stringContaining('/deploy'),
    })

    // The same, met by the one who asks for it.
    state.deployment = nativeDeployment({ status: 'ready' })
    await deployJob(context, OWNER, ID)
    state.deployments = []
    state.deployment = found()
    await deployJob(context, OWNER, ID).catch(() => undefined)
    expect(state.deployments).toEqual(['get deployment-1', 'create tunegate-abcdef12345678 of arn:tune/1'])
  })

  it('stays as it is known while the provider cannot be asked', async () => {
    const bench = await start()
    const { context, state } = bench
    await deployJob(context, OWNER, ID)
    state.deployment = fault(503)
    await expect(getDeployment(context, OWNER, ID)).rejects.toMatchObject({ status: 503 })
    state.deployment = nativeDeployment({ status: 'ready' })
    await chat(bench, bench.name)
    expect(state.chats).toHaveLength(1)
  })

  it('is not deployed where the provider refuses it', async () => {
    const { context, state } = await start()
    state.deployment = fault(400)
    await expect(deployJob(context, OWNER, ID)).rejects.toMatchObject({ status: 400 })
    expect(await getDeployment(context, OWNER, ID)).toMatchObject({ status: 'none' })
  })

  it.each([
    ['there', undefined],
    ['no longer there', () => fault(404)],
  ])('is taken down while it is %s, stays a model, and can be deployed again', async (_, deletion) => {
    const bench = await start()
    const { context, state } = bench
    state.deployment = nativeDeployment({ status: 'ready' })
    await deployJob(context, OWNER, ID)
    state.deletion = deletion?.()
    await deleteDeployment(context, OWNER, ID)
    expect(state.deployments.at(-1)).toBe('delete deployment-1')
    expect(await getDeployment(context, OWNER, ID)).toMatchObject({ id: null, status: 'none' })
    await expect(chat(bench, bench.name)).rejects.toMatchObject(NOT_READY)
    await deployJob(context, OWNER, ID)
    await chat(bench, bench.name)
    expect(await said(bench)).toContain('The deployment was taken down.')
  })

  it('stays when the provider would not take it down', async () => {
    const bench = await start()
    const { context, state } = bench
    state.deployment = nativeDeployment({ status: 'ready' })
    await deployJob(context, OWNER, ID)
    state.deletion = fault(500)
    await expect(deleteDeployment(context, OWNER, ID)).rejects.toMatchObject({ status: 500 })
    expect(await getDeployment(context, OWNER, ID)).toMatchObject({ status: 'ready' })
    expect(await said(bench)).not.toContain('The deployment was taken down.')
  })

  it('that never was is taken down in peace, and nothing is told of it', async () => {
    const bench = await start()
    await deleteDeployment(bench.context, OWNER, ID)
    expect(bench.state.deployments).toEqual([])
    expect(await said(bench)).not.toContain('The deployment was taken down.')
  })

  it("is another owner's as if it never was", async () => {
    const { context, state } = await start()
    for (const verb of [deployJob, getDeployment, deleteDeployment]) {
      await expect(verb(context, 'other', ID)).rejects.toMatchObject({ status: 404, code: 'job_not_found' })
    }
    expect(state.deployments).toEqual([])
  })

  it("is its owner's under the provider's own names too, and no one else's", async () => {
    const bench = await start()
    bench.state.deployment = nativeDeployment({ status: 'ready' })
    await deployJob(bench.context, OWNER, ID)
    const { model } = nativeDeployment({ status: 'ready' })
    for (const name of ['arn:tune/1', model, `main/${model}`]) {
      await chat(bench, name)
      await expect(chat(bench, name, 'other')).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
    }
    await deleteModel(bench.context, OWNER, bench.name)
    await expect(chat(bench, model)).rejects.toMatchObject({ status: 404 })
  })

  it("is not to be reached by its deployment's name", async () => {
    const bench = await start()
    bench.state.deployment = nativeDeployment({ status: 'ready' })
    await deployJob(bench.context, OWNER, ID)
    for (const owner of [OWNER, 'other'])
      await expect(chat(bench, 'tunegate-abcdef12345678', owner)).rejects.toMatchObject({ status: 404 })
  })

  it('goes with its model, which it would outlive and be billed for', async () => {
    const { context, state, name } = await start()
    state.deployment = nativeDeployment({ status: 'ready' })
    await deployJob(context, OWNER, ID)
    await deleteModel(context, OWNER, name)
    expect(state.deployments.at(-1)).toBe('delete deployment-1')
  })

  it('that would not go keeps its model', async () => {
    const { context, state, name } = await start()
    state.deployment = nativeDeployment({ status: 'ready' })
    await deployJob(context, OWNER, ID)
    state.deletion = fault(500)
    await expect(deleteModel(context, OWNER, name)).rejects.toMatchObject({ status: 500 })
    expect(await findTunedModel(context, OWNER, name)).toMatchObject({ deleted_at: null })
  })

  it('that has been deleted is not deployed', async () => {
    const { context, name } = await start()
    await deleteModel(context, OWNER, name)
    await expect(deployJob(context, OWNER, ID)).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    })
  })
})

describe('what cannot be deployed', () => {
  it.each([
    ['running', nativeJob({ status: 'running', fineTunedModel: null })],
    ['failed', nativeJob({ status: 'failed', fineTunedModel: null })],
  ])('is a job that is %s', async (status, native) => {
    const { context, platform, state } = startFake()
    state.job = native
    await JOBS.create(platform.store, runningJob())
    for (const verb of [deployJob, getDeployment, deleteDeployment]) {
      await expect(verb(context, OWNER, ID)).rejects.toMatchObject({
        status: 400,
        code: 'invalid_state',
        param: 'fine_tuning_job_id',
        message: expect.stringContaining(status),
      })
    }
  })

  it('is a tune of a provider that serves its tunes as they are', async () => {
    const { context } = await start({ isDeployed: false })
    await expect(deployJob(context, OWNER, ID)).rejects.toMatchObject({
      status: 400,
      code: 'feature_unsupported',
    })
    expect(await getDeployment(context, OWNER, ID)).toMatchObject({ status: 'none' })
  })
})
