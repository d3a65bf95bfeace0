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

  it('LiteLLM 7: each connection of a provider has its own credentials, and its own place for files', async () => {
    const variables = await providerVariables(SANDBOX)
    const account = (await (await fetch(`${SANDBOX}/_sandbox/aws`)).json()) as {
      bucket: string
      temporary: Record<string, string>
    }
    const { temporary } = account
    const gateway = startGateway({
      variables: { ...variables, OTHER_KEY: temporary.accessKeyId },
      config: {
        connections: {
          first: { provider: 'bedrock', prefix: 'first' },
          second: {
            provider: 'bedrock',
            prefix: 'second',
            accessKeyId: { env: 'OTHER_KEY' },
            secretAccessKey: temporary.secretAccessKey ?? '',
            sessionToken: temporary.sessionToken ?? '',
          },
          'vertex-us': { provider: 'vertex_ai', location: 'us-central1' },
          'vertex-eu': { provider: 'vertex_ai', location: 'europe-west4' },
        },
        defaultConnection: 'first',
      },
    })
    const client = await gateway.client()
    const file = await client.files.create({ file: datasetFile(40), purpose: 'fine-tune' })
    const train = async (connection: string, model: string) => {
      const before = (await sandbox.requests()).length
      const job = await client.fineTuning.jobs.create({
        model,
        training_file: file.id,
        ...({ provider: connection } as object),
      })
      expect(job).toMatchObject({ tunegate: { connection } })
      return (await sandbox.requests()).slice(before)
    }

    const nova = 'amazon.nova-lite-v1:0:300k'
    for (const [connection, key] of [
      ['first', variables.AWS_ACCESS_KEY_ID],
      ['second', temporary.accessKeyId],
    ] as const) {
      const requests = await train(connection, nova)
      const signers = requests.map(
        ({ headers }) => /Credential=([^/]+)/.exec(headers.authorization ?? '')?.[1],
      )
      expect(new Set(signers)).toEqual(new Set([key]))
      const put = requests.find(({ method }) => method === 'PUT')
      expect(put?.path).toMatch(new RegExp(`/${account.bucket}/${connection}/files/`))
      const created = requests.find(({ path }) => path.endsWith('/model-customization-jobs'))
      expect(created?.body).toMatchObject({
        trainingDataConfig: { s3Uri: expect.stringContaining(`/${connection}/files/`) },
        outputDataConfig: { s3Uri: expect.stringContaining(`/${connection}/results/`) },
      })
    }
    for (const [connection, location] of [
      ['vertex-us', 'us-central1'],
      ['vertex-eu', 'europe-west4'],
    ] as const) {
      const created = (await train(connection, 'gemini-3.5-flash')).find(({ path }) =>
        path.endsWith('/tuningJobs'),
      )
      expect(created?.path).toContain(`/locations/${location}/tuningJobs`)
    }
  })
})
