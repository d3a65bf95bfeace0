/** Jobs: what Azure adds to OpenAI's, what it has otherwise, and the two sets of statuses. */
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { refusal, tunedName } from '../support.ts'
import { BASE, FIRST, finished, GOOD, PREVIEW, processed, tune, useAzure } from './support.ts'

const bench = useAzure()

type Create = OpenAI.FineTuning.JobCreateParams

/** Slow enough to be caught in the act, never slow enough to wait for. */
const HELD = 60_000

/** A job that trains, and then is held. */
async function running(client: OpenAI): Promise<string> {
  const training_file = await processed(client)
  await bench.set({ stepMs: HELD })
  const { id } = await client.fineTuning.jobs.create({ model: BASE, training_file })
  await bench.set({ stepMs: 1 })
  while ((await client.fineTuning.jobs.retrieve(id)).status !== 'running') {
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  await bench.set({ stepMs: HELD })
  return id
}

describe('a job', () => {
  it("takes Azure's own fields and shows them", async () => {
    const client = bench.dated()
    const extra = {
      trainingType: 'globalstandard',
      suffix: 'Mine_1-2',
      method: {
        type: 'supervised',
        supervised: { hyperparameters: { n_epochs: 2, prompt_loss_weight: 0.1 } },
      },
    } as Partial<Create>
    const job = await tune(client, extra)
    expect(job).toMatchObject({
      status: 'succeeded',
      trainingType: 'globalstandard',
      suffix: 'Mine_1-2',
      hyperparameters: { n_epochs: 2, prompt_loss_weight: 0.1 },
    })
  })

  it.each(['standard', 'GlobalStandard', 'developerTier'])(
    'may be trained as %s, in either case of letters',
    async trainingType => {
      const body = { model: BASE, training_file: await processed(bench.v1()), trainingType }
      expect(await bench.raw('POST', '/v1/fine_tuning/jobs', body)).toMatchObject({
        status: 200,
        json: { trainingType },
      })
    },
  )

  it('leaves a result file with columns of its own names', async () => {
    const client = bench.v1()
    const validation_file = await processed(client)
    const job = await tune(client, { validation_file })
    const [id = ''] = job.result_files
    expect((await client.files.retrieve(id)).filename).toBe('results.csv')
    const [header, first, ...rest] = (await (await client.files.content(id)).text()).trim().split('\n')
    expect(header).toBe(
      'step,train_loss,train_mean_token_accuracy,valid_loss,validation_mean_token_accuracy,full_valid_loss,full_valid_mean_token_accuracy',
    )
    expect(first).toMatch(/^1,\d/)
    expect(first?.split(',')).toHaveLength(7)
    expect(rest.at(-1)?.split(',')[5]).toMatch(/^\d/)
  })

  it('has no suffix in its name if none was given', async () => {
    expect(tunedName(await tune(bench.v1()))).toMatch(/\.ft-[0-9a-f]{32}$/)
  })

  it('tells in its events, page by page, and warns where Azure would', async () => {
    const client = bench.dated()
    const job = await tune(client, { trainingType: 'developerTier' } as Partial<Create>)
    const events = []
    for await (const event of client.fineTuning.jobs.listEvents(job.id, { limit: 10 })) events.push(event)
    expect(events.filter(({ level }) => level === ('warning' as string))).toHaveLength(1)
    expect(events.map(({ level }) => level)).not.toContain('warn')
    expect(events.filter(({ type }) => type === 'metrics').length).toBeGreaterThan(5)
    expect(events.at(-1)?.message).toContain(job.id)
  })

  it('leaves checkpoints that can be deployed', async () => {
    const client = bench.v1()
    const job = await tune(client)
    const { data } = await client.fineTuning.jobs.checkpoints.list(job.id)
    expect(data).toHaveLength(3)
    const name = data[0]?.fine_tuned_model_checkpoint ?? ''
    expect(name.startsWith(`${job.fine_tuned_model}:ckpt-step-`)).toBe(true)
    bench.azure.change({ deploymentPolls: 0 })
    expect((await bench.deploy('early', name)).status).toBe(201)
    const { model } = await client.chat.completions.create({
      model: 'early',
      messages: [{ role: 'user', content: 'hi' }],
    })
    expect(model).toBe(name)
  })

  it('is found by its metadata, in its own resource only', async () => {
    const client = bench.v1()
    const job = await tune(client, { metadata: { tenant: 'a' } })
    const found = async (from: OpenAI, tenant: string) =>
      (await from.fineTuning.jobs.list({ metadata: { tenant } })).data.map(({ id }) => id)
    expect(await found(client, 'a')).toEqual([job.id])
    expect(await found(bench.dated(), 'a')).toEqual([job.id])
    expect(await found(client, 'b')).toEqual([])
    expect(await found(bench.v1({ resource: 'sandbox-sweden' }), 'a')).toEqual([])
  })
})

describe('statuses', () => {
  it("are OpenAI's on v1 and Azure's on the dated surface", async () => {
    const training_file = await processed(bench.v1())
    await bench.set({ stepMs: HELD })
    const { id, status } = await bench.v1().fineTuning.jobs.create({ model: BASE, training_file })
    expect(status).toBe('validating_files')
    expect((await bench.dated().fineTuning.jobs.retrieve(id)).status).toBe('pending')
  })

  it('of a pause: told, done, told to go on, going on', async () => {
    const dated = bench.dated()
    const id = await running(dated)
    const now = async (client: OpenAI) => (await client.fineTuning.jobs.retrieve(id)).status
    expect((await dated.fineTuning.jobs.pause(id)).status).toBe('pausing')
    expect(await now(dated)).toBe('paused')
    expect(await now(bench.v1())).toBe('queued')
    expect((await dated.fineTuning.jobs.resume(id)).status).toBe('resuming')
    expect(await now(dated)).toBe('running')
    await bench.set({ stepMs: 0 })
    expect((await finished(dated, id)).status).toBe('succeeded')
  })

  it('of a cancelled job are the same on both', async () => {
    const id = await running(bench.v1())
    expect(await bench.v1().fineTuning.jobs.cancel(id)).toMatchObject({
      status: 'cancelled',
      fine_tuned_model: null,
    })
    expect((await bench.dated().fineTuning.jobs.retrieve(id)).status).toBe('cancelled')
    expect(await refusal(bench.dated().fineTuning.jobs.cancel(id))).toMatchObject({
      status: 400,
      code: 'unexpectedEntityState',
    })
  })

  it('of a job on a bad file end in failed, with the line', async () => {
    const client = bench.dated()
    const training_file = await processed(client, `${GOOD}{"messages":[]}\n`)
    const { id } = await client.fineTuning.jobs.create({ model: BASE, training_file })
    const job = await finished(client, id)
    expect(job).toMatchObject({ status: 'failed', fine_tuned_model: null })
    expect(job.error).toMatchObject({ code: 'invalid_file_format', param: 'training_file' })
  })
})

describe('a job is refused', () => {
  const supervised = (hyperparameters: unknown) => ({
    method: { type: 'supervised', supervised: { hyperparameters } },
  })
  it.each([
    ['by an undated model name', { model: 'gpt-4.1-mini' }, 'model'],
    ['for an unknown model', { model: 'gpt-9' }, 'model'],
    ['with a suffix too long', { suffix: 'x'.repeat(41) }, 'suffix'],
    ['with a suffix of other letters', { suffix: 'my suffix' }, 'suffix'],
    ['with an unknown training type', { trainingType: 'turbo' }, 'trainingType'],
    ['with a training type in OpenAI’s manner', { training_type: 'standard' }, 'training_type'],
    ['with an unknown field', { provider: 'azure' }, 'provider'],
    [
      'with a negative weight',
      supervised({ prompt_loss_weight: -1 }),
      'method.supervised.hyperparameters.prompt_loss_weight',
    ],
    ['with an unknown hyperparameter', supervised({ epochs: 3 }), 'method.supervised.hyperparameters.epochs'],
    ['with both spellings of hyperparameters', { ...supervised({}), hyperparameters: {} }, 'hyperparameters'],
  ])('%s', async (_name, changes, param) => {
    const body = { model: BASE, training_file: await processed(bench.v1()), ...changes }
    for (const path of ['/v1/fine_tuning/jobs', `/fine_tuning/jobs?api-version=${PREVIEW}`]) {
      expect(await bench.raw('POST', path, body)).toMatchObject({
        status: 400,
        json: { error: { code: 'invalidPayload', param, message: expect.any(String) } },
      })
    }
    expect((await bench.v1().fineTuning.jobs.list()).data).toEqual([])
  })

  it.each(['method', 'metadata', 'trainingType', 'integrations'])(
    'by the first dated version, if it says %s',
    async field => {
      const values: Record<string, unknown> = {
        method: { type: 'supervised' },
        metadata: { a: 'b' },
        trainingType: 'standard',
        integrations: [],
      }
      const body = { model: BASE, training_file: await processed(bench.v1()), [field]: values[field] }
      const create = (version: string) => bench.raw('POST', `/fine_tuning/jobs?api-version=${version}`, body)
      expect(await create(FIRST)).toMatchObject({ status: 400, json: { error: { param: field } } })
      expect(await create(PREVIEW)).toMatchObject({ status: 201 })
    },
  )

  it('a pause, by the first dated version', async () => {
    const id = await running(bench.dated())
    const first = bench.dated({ apiVersion: FIRST }).fineTuning.jobs
    expect(await refusal(first.pause(id))).toMatchObject({ status: 404, code: '404' })
    expect((await first.retrieve(id)).status).toBe('running')
  })
})
