import { beforeEach, describe, expect, it } from 'vitest'
import { datasetFile, SANDBOX, sandbox, startGateway, until } from '../support/gateway.ts'
import { PROVIDERS, providerVariables } from '../support/providers.ts'

/** Defects of other gateways that no other file shows to be absent here. */
describe('defects of peers', () => {
  beforeEach(() => sandbox.reset())

  it.each(PROVIDERS)(
    'Portkey 2: events and checkpoints are never asked of $provider as jobs of that name',
    async ({ provider, model }) => {
      const client = await startGateway({ variables: await providerVariables(SANDBOX) }).client()
      const file = await client.files.create({ file: datasetFile(40), purpose: 'fine-tune' })
      const job = await client.fineTuning.jobs.create({
        model,
        training_file: file.id,
        ...({ provider } as object),
      })
      await client.fineTuning.jobs.listEvents(job.id)
      await client.fineTuning.jobs.checkpoints.list(job.id)
      const paths = (await sandbox.requests()).map(({ path }) => path)
      expect(
        paths.filter(path => /(jobs|Jobs|customization-jobs)\/(events|checkpoints)$/.test(path)),
      ).toEqual([])
      await until(client, job.id, 'succeeded', 'failed')
    },
  )

  it('Portkey 9: a form within the file is no form', async () => {
    const client = await startGateway().client()
    const inner = '--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--x--\r\n'
    const file = await client.files.create({ file: new File([inner], 'form.txt'), purpose: 'batch' })
    expect(file).toMatchObject({ purpose: 'batch', bytes: inner.length })
    expect(await (await client.files.content(file.id)).text()).toBe(inner)
  })

  it('Portkey 23: the same question of another owner is asked anew, and answered to its own key', async () => {
    const gateway = startGateway()
    const chat = { model: 'gpt-4.1-mini', messages: [{ role: 'user' as const, content: 'hello' }] }
    const answers = await Promise.all(
      [await gateway.client(), await gateway.client()].map(client => client.chat.completions.create(chat)),
    )
    expect(new Set(answers.map(({ id }) => id)).size).toBe(2)
    expect((await sandbox.requests()).filter(({ path }) => path.endsWith('/chat/completions'))).toHaveLength(
      2,
    )
  })

  it('LiteLLM 1: method and metadata reach the provider', async () => {
    const client = await startGateway().client()
    const file = await client.files.create({ file: datasetFile(40), purpose: 'fine-tune' })
    const method = { type: 'supervised' as const, supervised: { hyperparameters: { n_epochs: 2 } } }
    await client.fineTuning.jobs.create({
      model: 'gpt-4.1-mini-2025-04-14',
      training_file: file.id,
      method,
      metadata: { team: 'a' },
    })
    const created = (await sandbox.requests()).find(
      ({ method: verb, path }) => verb === 'POST' && path.endsWith('/fine_tuning/jobs'),
    )
    expect(created?.body).toMatchObject({ method, metadata: { team: 'a' } })
  })

  it('LiteLLM 2: a validation file keeps its name on Vertex AI', async () => {
    const client = await startGateway({ variables: await providerVariables(SANDBOX) }).client()
    const file = await client.files.create({ file: datasetFile(40), purpose: 'fine-tune' })
    await client.fineTuning.jobs.create({
      model: 'gemini-3.5-flash',
      training_file: file.id,
      validation_file: file.id,
      ...({ provider: 'vertex_ai' } as object),
    })
    const created = (await sandbox.requests()).find(
      ({ method, path }) => method === 'POST' && path.endsWith('/tuningJobs'),
    )
    expect(created?.body).toMatchObject({
      supervisedTuningSpec: { validationDatasetUri: expect.stringMatching(/^gs:/) },
    })
  })

  it('LiteLLM 4: a list holds the jobs of its owner alone', async () => {
    const gateway = startGateway()
    const [one, other] = [await gateway.client(), await gateway.client()]
    const file = await one.files.create({ file: datasetFile(40), purpose: 'fine-tune' })
    await one.fineTuning.jobs.create({ model: 'gpt-4.1-mini-2025-04-14', training_file: file.id })
    expect((await one.fineTuning.jobs.list()).data).toHaveLength(1)
    expect((await other.fineTuning.jobs.list()).data).toEqual([])
  })
})
