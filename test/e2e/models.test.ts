/** Models: what may be called, and the end of a tuned one. */
import { describe, expect, it } from 'vitest'
import { itIsJudged, refusal, useBench } from './support/bench.ts'
import { ask, isOver, jobWhen, LESSON, trained, uploaded } from './support/data.ts'

const bench = useBench()

describe('models.list', () => {
  it("holds the provider's base models and the owner's tunes, and no one else's", async () => {
    const [mine, other] = [await bench.owner(), await bench.owner()]
    const bare = (await mine.client.models.list()).data.map(({ id }) => id)
    expect(bare).toContain('gpt-4.1-mini-2025-04-14')
    expect(bare.filter(id => id.startsWith('ft:'))).toEqual([])
    const { fine_tuned_model } = await trained(mine.client)
    expect((await mine.client.models.list()).data.map(({ id }) => id)).toEqual([...bare, fine_tuned_model])
    expect((await other.client.models.list()).data.map(({ id }) => id)).toEqual(bare)
  })

  it('names checkpoints with their job only', async () => {
    const { client } = await bench.owner()
    const { id } = await trained(client)
    await client.fineTuning.jobs.checkpoints.list(id)
    expect((await client.models.list()).data.filter(model => model.id.includes('ckpt'))).toEqual([])
  })
})

describe('models.retrieve', () => {
  it('answers base and tuned models with the model object', async () => {
    const { client } = await bench.owner()
    expect(await client.models.retrieve('gpt-4.1-mini')).toMatchObject({
      id: 'gpt-4.1-mini',
      object: 'model',
      owned_by: 'system',
    })
    const { id, fine_tuned_model, organization_id } = await trained(client)
    expect(await client.models.retrieve(fine_tuned_model)).toEqual({
      id: fine_tuned_model,
      object: 'model',
      created: expect.any(Number),
      owned_by: organization_id,
      tunegate: {
        provider: 'openai',
        connection: 'openai',
        base_model: 'gpt-4.1-mini-2025-04-14',
        fine_tuning_job_id: id,
        retires_at: Date.UTC(2027, 0, 14) / 1000,
      },
    })
  })

  it('answers 404 to a model that never was', async () => {
    const { client } = await bench.owner()
    for (const name of ['gpt-none', 'ft:gpt-4.1-mini:none::12345678', 'some/model'])
      expect(await refusal(client.models.retrieve(name))).toMatchObject({
        status: 404,
        code: 'model_not_found',
        param: 'model',
      })
  })
})

describe('models.delete', () => {
  it('ends a tuned model everywhere: here, in chat and at the provider', async () => {
    const { client } = await bench.owner()
    const { fine_tuned_model: model, id } = await trained(client)
    expect(await client.models.delete(model)).toEqual({ id: model, object: 'model', deleted: true })
    expect((await bench.state()).models.items).not.toContain(model)
    const sent = bench.watch()
    for (const call of [
      () => client.models.retrieve(model),
      () => client.models.delete(model),
      () => ask(client, model),
      () => ask(client, `openai/${model}`),
    ])
      expect(await refusal(call())).toMatchObject({ status: 404, code: 'model_not_found' })
    expect(sent().filter(({ path }) => path.includes('chat'))).toEqual([])
    expect((await client.models.list()).data.map(each => each.id)).not.toContain(model)
    expect((await client.fineTuning.jobs.retrieve(id)).fine_tuned_model).toBe(model)
  })

  it('ends a model that the provider has already lost', async () => {
    const { client } = await bench.owner()
    const { fine_tuned_model: model } = await trained(client)
    bench.stack.sandbox.fault({
      method: 'DELETE',
      kind: 'status',
      status: 404,
      body: {
        error: { message: 'gone', type: 'invalid_request_error', param: 'model', code: 'model_not_found' },
      },
    })
    expect(await client.models.delete(model)).toMatchObject({ deleted: true })
  })

  it('leaves the model when the provider does', async () => {
    const { client } = await bench.owner()
    const { fine_tuned_model: model } = await trained(client)
    bench.stack.sandbox.fault({ method: 'DELETE', kind: 'status', status: 403 })
    expect(await refusal(client.models.delete(model))).toMatchObject({ status: 403 })
    expect(await ask(client, model)).toBe(LESSON.answer)
  })

  it('is not for base models', async () => {
    const { client } = await bench.owner()
    const sent = bench.watch()
    expect(await refusal(client.models.delete('gpt-4.1-mini'))).toMatchObject({ status: 404 })
    expect(sent().filter(({ method }) => method === 'DELETE')).toEqual([])
  })

  it('keeps a deleted model from being trained further', async () => {
    const { client } = await bench.owner()
    const { fine_tuned_model: model } = await trained(client)
    await client.models.delete(model)
    const { id: training_file } = await uploaded(client)
    expect(await refusal(client.fineTuning.jobs.create({ model, training_file }))).toMatchObject({
      status: 404,
      code: 'model_not_found',
      param: 'model',
    })
  })

  it('and its job go their own ways: the job stays', async () => {
    const { client } = await bench.owner()
    const { id, fine_tuned_model } = await trained(client)
    await client.models.delete(fine_tuned_model)
    expect(await jobWhen(client, id, isOver)).toMatchObject({ status: 'succeeded' })
  })
})

itIsJudged(bench)
