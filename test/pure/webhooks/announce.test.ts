/** A job's end is told once, whatever fails on the way. */
import { describe, expect, it } from 'vitest'
import { tick } from '../../../functions/schedule.ts'
import { runTask } from '../../../functions/tasks.ts'
import { uploadFile } from '../../../shared/datasets/index.ts'
import { type JobRequest, WEBHOOK_EVENT_TYPES } from '../../../shared/openai/index.ts'
import { getJob, refreshNative, submitJob } from '../../../shared/training/index.ts'
import { JOBS } from '../../../shared/training/records.ts'
import { createEndpoint } from '../../../shared/webhooks/index.ts'
import { type FakeBench, fault, nativeJob, startFake } from '../support/fake-provider.ts'
import { KEY, OWNER } from './support.ts'

const LINES = Array.from({ length: 12 }, (_, index) =>
  JSON.stringify({
    messages: [
      { role: 'user', content: `question ${index}` },
      { role: 'assistant', content: 'answer' },
    ],
  }),
).join('\n')

const uploaded = async ({ context }: FakeBench): Promise<string> => {
  const form = new FormData()
  form.set('purpose', 'fine-tune')
  form.set('file', new File([LINES], 'train.jsonl'))
  return (await uploadFile(context, OWNER, new Request('http://g/', { method: 'POST', body: form }))).id
}

const RUNNING = { status: 'running', nativeStatus: 'InProgress', fineTunedModel: null } as const

/** A running job, and an endpoint that wants to know everything. */
const running = async (fields: Partial<JobRequest> = {}) => {
  const bench = startFake()
  const { context, platform, state, sent } = bench
  platform.variables.TUNEGATE_ENCRYPTION_KEY = KEY
  await createEndpoint(context, OWNER, {
    name: 'all',
    url: 'https://hooks.example.com/in',
    event_types: [...WEBHOOK_EVENT_TYPES],
  })
  state.job = nativeJob(RUNNING)
  const training_file = await uploaded(bench)
  const { id } = await submitJob(context, OWNER, { model: 'm', training_file, ...fields })
  /** What was told, and where. */
  const told = () =>
    sent.map(({ url, body }) => [new URL(url).hostname, JSON.parse(body).type, JSON.parse(body).data.id])
  return { ...bench, id, told }
}

describe("a job's end", () => {
  it.each(['succeeded', 'failed', 'cancelled'] as const)('is told when it has %s', async status => {
    const { context, state, id, told } = await running()
    await tick(context)
    expect(told()).toEqual([])
    state.job = nativeJob({ status, fineTunedModel: status === 'succeeded' ? 'arn:tune/1' : null })
    await getJob(context, OWNER, id)
    await tick(context)
    await getJob(context, OWNER, id)
    await tick(context)
    expect(told()).toEqual([['hooks.example.com', `fine_tuning.job.${status}`, id]])
  })

  it('is told by the queue as well', async () => {
    const { context, state, id, told, platform } = await running()
    state.job = nativeJob()
    await getJob(context, OWNER, id)
    const [task] = platform.tasks
    expect(task && (await runTask(context, task))).toBe(true)
    expect(told()).toHaveLength(1)
  })

  it('is told once though many see it at once', async () => {
    const { context, state, id, told } = await running()
    state.job = nativeJob()
    await Promise.all([1, 2, 3, 4].map(() => getJob(context, OWNER, id)))
    await Promise.all([tick(context), tick(context)])
    expect(told()).toHaveLength(1)
  })

  it('is told by the schedule when whoever saw it died before telling it', async () => {
    const { context, state, id, told, platform } = await running()
    state.job = nativeJob()
    const { put } = platform.store
    platform.store.put = async (record, expect) => {
      if (record.kind === 'webhook_delivery') throw new Error('dead')
      return put(record, expect)
    }
    // The answer is not the worse for it.
    expect(await getJob(context, OWNER, id)).toMatchObject({ status: 'succeeded' })
    await tick(context)
    expect(told()).toEqual([])
    platform.store.put = put
    platform.clock.time += 60_000
    await tick(context)
    await tick(context)
    expect(told()).toEqual([['hooks.example.com', 'fine_tuning.job.succeeded', id]])
    expect((await JOBS.get(platform.store, id))?.value.stage).toBe('over')
  })

  it('is told once when they died between telling it and noting that', async () => {
    const { context, state, id, told, platform } = await running()
    state.job = nativeJob()
    await getJob(context, OWNER, id)
    await tick(context)
    await JOBS.update(platform.store, id, job => ({ ...job, stage: 'closing', due_at: 1 }))
    platform.clock.time += 3_600_000
    await tick(context)
    await tick(context)
    expect(told()).toHaveLength(1)
  })

  it('is told of a job that no provider has had', async () => {
    const { context, state, platform, told } = await running()
    state.job = fault(400)
    const training_file = await uploaded({ context, state, platform } as FakeBench)
    const { id } = await submitJob(context, OWNER, { model: 'm', training_file }, { isAsync: true })
    await tick(context)
    await tick(context)
    expect(told()).toEqual([['hooks.example.com', 'fine_tuning.job.failed', id]])
  })

  it("goes to the job's own URL, too", async () => {
    const { context, state, id, told } = await running({ webhook_url: 'https://mine.example.com/done' })
    state.job = nativeJob()
    await getJob(context, OWNER, id)
    await tick(context)
    expect(told().toSorted()).toEqual([
      ['hooks.example.com', 'fine_tuning.job.succeeded', id],
      ['mine.example.com', 'fine_tuning.job.succeeded', id],
    ])
  })
})

describe('a job with a URL of its own', () => {
  it.each(['https://10.0.0.1/', 'http://mine.example.com/', 'https://localhost/'])(
    'is refused for %s before anything is sent',
    async webhook_url => {
      const bench = startFake()
      bench.platform.variables.TUNEGATE_ENCRYPTION_KEY = KEY
      const training_file = await uploaded(bench)
      const call = submitJob(bench.context, OWNER, { model: 'm', training_file, webhook_url })
      await expect(call).rejects.toMatchObject({ code: 'host_forbidden', param: 'webhook_url' })
      expect(bench.state).toMatchObject({ submissions: [], files: {} })
    },
  )

  it('is refused where no secret can be kept', async () => {
    const bench = startFake()
    const training_file = await uploaded(bench)
    const call = submitJob(bench.context, OWNER, {
      model: 'm',
      training_file,
      webhook_url: 'https://mine.example.com/',
    })
    await expect(call).rejects.toMatchObject({ code: 'deployment_unconfigured' })
    expect(bench.state.submissions).toEqual([])
  })
})

describe("a provider's own word", () => {
  it('only makes us ask', async () => {
    const { context, state, id, platform } = await running()
    const status = async () => (await JOBS.get(platform.store, id))?.value.status
    const connection = { name: 'main', provider: { id: 'fake' } }
    state.job = nativeJob()
    expect(await refreshNative(context, connection, 'some/other-job')).toBe(0)
    expect(await refreshNative(context, { ...connection, name: 'other' }, 'native-job')).toBe(0)
    expect(await status()).toBe('running')
    expect(await refreshNative(context, connection, 'native-job')).toBe(1)
    expect(await status()).toBe('succeeded')
  })

  it('finds the job under another name of its project', async () => {
    const { context, state } = await running()
    state.job = nativeJob()
    const connection = { name: 'main', provider: { id: 'fake' } }
    expect(await refreshNative(context, connection, 'projects/by-name/native-job')).toBe(1)
  })
})
