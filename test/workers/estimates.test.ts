/** Estimates over HTTP, by the official client, against the sandbox. */
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import type { ConnectionEstimate, EstimateObject, JobObject, NoEstimate } from '../../shared/openai/index.ts'
import { dataset, datasetFile, SANDBOX, sandbox, startGateway, until } from '../support/gateway.ts'
import { providerVariables } from '../support/providers.ts'

type Job = OpenAI.FineTuning.FineTuningJob & Pick<JobObject, 'tunegate'>

const PATH = '/fine_tuning/estimates'
const MODEL = 'gpt-4.1-mini'

const upload = async (client: OpenAI, lines = 40) =>
  (await client.files.create({ file: datasetFile(lines), purpose: 'fine-tune' })).id

const ask = async (client: OpenAI, body: Record<string, unknown>): Promise<EstimateObject> =>
  client.post<EstimateObject>(PATH, { body })

const only = ({ estimates }: EstimateObject): ConnectionEstimate => {
  const [first, ...more] = estimates
  expect(more).toEqual([])
  if (!first || first.unsupported !== null) throw new Error(`no estimate: ${first?.unsupported}`)
  return first
}

describe('an estimate', () => {
  it('tells tokens, epochs, price and cost at the connection that a job would run at', async () => {
    const client = await startGateway().client()
    const training_file = await upload(client)
    const answer = await ask(client, { model: MODEL, training_file })
    expect(answer).toMatchObject({
      object: 'fine_tuning.estimate',
      model: MODEL,
      training_file,
      dataset: {
        bytes: dataset(40).length,
        examples: 40,
        counter: 'o200k_base',
        exact: true,
        error: 0,
        truncated_examples: 0,
        images: 0,
        sampled_bytes: null,
      },
    })
    const estimate = only(answer)
    const tokens = answer.dataset?.tokens ?? 0
    // Each line has two short messages: about twenty tokens of text, eleven of frame.
    expect(tokens).toBeGreaterThan(40 * 20)
    expect(tokens).toBeLessThan(40 * 40)
    expect(estimate).toMatchObject({
      provider: 'openai',
      connection: 'openai',
      model: MODEL,
      tokens: { dataset: tokens, per_epoch: tokens },
      epochs: { value: 3, source: 'provider_default' },
      price: { usd: 5, per: 1_000_000, unit: 'training_token' },
      price_missing: null,
      hosting: { usd_per_hour: 0 },
      minutes: null,
    })
    expect(estimate.tokens.trained).toEqual({
      low: 3 * (tokens - 3 * 40),
      expected: 3 * tokens,
      high: 3 * tokens,
    })
    expect(estimate.usd?.expected).toBeCloseTo((3 * tokens * 5) / 1e6, 6)
    expect(estimate.assumptions.join(' ')).toContain('o200k_base')
    expect(estimate.warnings.join(' ')).toContain('2027-01-14')
  })

  it('takes the body of a job as it is, its epochs among it', async () => {
    const client = await startGateway().client()
    const training_file = await upload(client)
    const answer = await ask(client, {
      model: MODEL,
      training_file,
      validation_file: training_file,
      suffix: 'mine',
      seed: 1,
      metadata: { team: 'a' },
      method: { type: 'dpo', dpo: { hyperparameters: { n_epochs: 2 } } },
    })
    const estimate = only(answer)
    expect(estimate.epochs).toMatchObject({ value: 2, source: 'request' })
    expect(estimate.assumptions.join(' ')).toMatch(/both answers.*validation file/)
  })

  it('asks no provider anything', async () => {
    const client = await startGateway().client()
    const training_file = await upload(client)
    await sandbox.reset()
    await ask(client, { model: MODEL, training_file })
    expect((await sandbox.requests()).filter(({ path }) => !path.startsWith('/_sandbox'))).toEqual([])
  })

  it('counts a file once', async () => {
    const gateway = startGateway()
    const client = await gateway.client(await gateway.key('once'))
    const training_file = await upload(client)
    const first = await ask(client, { model: MODEL, training_file })
    await gateway.platform.bucket.delete(`files/once/${training_file}`)
    expect(await ask(client, { model: MODEL, training_file })).toEqual(first)
  })

  it('samples what is longer than the deployment counts, and says so', async () => {
    const limits = { jsonBody: 1e6, file: 1e9, counted: 200_000 }
    const key = () => startGateway().key('sampler')
    const client = await startGateway({ config: { limits } }).client(await key())
    const training_file = await upload(client, 20_000)
    const { dataset: found, estimates } = await ask(client, { model: MODEL, training_file })
    expect(found).toMatchObject({ examples: 20_000, exact: false })
    expect(found?.sampled_bytes).toBeLessThan((found?.bytes ?? 0) / 4)
    expect(found?.error).toBeGreaterThan(0)
    expect(JSON.stringify(estimates)).toContain('in samples')

    const whole = await ask(await startGateway().client(await key()), { model: MODEL, training_file })
    const { tokens = 0, exact } = whole.dataset ?? {}
    expect(exact).toBe(true)
    expect(Math.abs((found?.tokens ?? 0) / tokens - 1)).toBeLessThanOrEqual(found?.error ?? 0)
  })

  it('counts images by their size, not by their bytes, and says where it does not know it', async () => {
    const client = await startGateway().client()
    /** A WEBP up to its pixels, and so many bytes behind. */
    const webp = (width: number, height: number, behind: number) => {
      const sides = [width - 1, height - 1]
        .map(side => String.fromCharCode(side % 256, side >> 8, 0))
        .join('')
      const bytes = `RIFF\0\0\0\0WEBPVP8X\n\0\0\0\0\0\0\0${sides}${'\0'.repeat(behind)}`
      return `data:image/webp;base64,${btoa(bytes)}`
    }
    const estimated = async (url: string) => {
      const line = JSON.stringify({
        messages: [
          { role: 'user', content: [{ type: 'image_url', image_url: { url } }] },
          { role: 'assistant', content: 'a cheese' },
        ],
      })
      const file = new File([`${line}\n`.repeat(10)], 'train.jsonl')
      const training_file = (await client.files.create({ file, purpose: 'fine-tune' })).id
      const { dataset: found, estimates } = await ask(client, { model: 'gpt-4o-2024-08-06', training_file })
      return { found, assumptions: JSON.stringify(estimates) }
    }
    const small = await estimated(webp(1024, 1024, 0))
    const large = await estimated(webp(1024, 1024, 200_000))
    expect(small.found).toMatchObject({ images: 10, exact: true, error: 0 })
    expect(large.found).toMatchObject({ ...small.found, bytes: expect.any(Number) })
    const least = await estimated(webp(10, 10, 0))
    expect((small.found?.tokens ?? 0) - (least.found?.tokens ?? 0)).toBe(10 * (765 - 255))
    expect(small.assumptions).toContain('10 images are counted by OpenAI')

    const far = await estimated('https://images.test/a.webp')
    const tokens = (small.found?.tokens ?? 0) + 10 * (850 - 765)
    expect(far.found).toMatchObject({ images: 10, tokens, exact: false, error: (10 * 595) / tokens })
    expect(far.assumptions).toContain('What 10 of them have is not known: each is taken for 850 tokens')
  })

  it('says that a price is not known rather than 0', async () => {
    const variables = {
      OPENAI_COMPATIBLE_API_KEY: 'k',
      OPENAI_COMPATIBLE_BASE_URL: 'https://compatible.test/v1',
    }
    const client = await startGateway({ variables }).client()
    const training_file = await upload(client)
    const estimate = only(
      await ask(client, { model: 'some-model', training_file, provider: 'openai_compatible' }),
    )
    expect(estimate).toMatchObject({
      price: null,
      usd: null,
      hosting: null,
      tokens: { exact: false, error: 0.4 },
    })
    expect(estimate.price_missing).toContain('some-model')
    expect(estimate.hosting_missing).toContain('openai_compatible')
    expect(estimate.assumptions.join(' ')).toContain('approximated')
  })

  it('takes prices from the configuration first', async () => {
    const price = {
      provider: 'openai',
      model: MODEL,
      unit: 'training_token' as const,
      usd: 4.5,
      per: 1_000_000,
      source: 'contract 7',
      as_of: '2026-11-25',
    }
    const client = await startGateway({ config: { prices: [price] } }).client()
    const training_file = await upload(client)
    const estimate = only(await ask(client, { model: 'gpt-4.1-mini-2025-04-14', training_file }))
    expect(estimate.price).toMatchObject({ usd: 4.5, source: 'contract 7' })
    expect(estimate.usd?.expected).toBeCloseTo((estimate.tokens.trained.expected * 4.5) / 1e6, 6)
  })
})

describe('an estimate for auto', () => {
  it('goes through all connections, and tells of each that cannot why', async () => {
    const variables = {
      AZURE_OPENAI_ENDPOINT: 'https://azure.test',
      AZURE_OPENAI_API_KEY: 'k',
      OPENAI_COMPATIBLE_API_KEY: 'k',
      OPENAI_COMPATIBLE_BASE_URL: 'https://compatible.test/v1',
    }
    const client = await startGateway({ variables }).client()
    const training_file = await upload(client)
    const { dataset: found, estimates } = await ask(client, { model: MODEL, training_file, provider: 'auto' })
    expect(found).toMatchObject({ examples: 40, counter: 'o200k_base' })
    const by = Object.fromEntries(estimates.map(each => [each.connection, each]))
    // What can be had first, in the order of trying; then what cannot.
    expect(Object.keys(by)).toEqual(['openai', 'azure', 'vertex_ai', 'bedrock', 'openai_compatible'])
    expect(by.openai).toMatchObject({ unsupported: null, price: { usd: 5 }, hosting: { usd_per_hour: 0 } })
    expect(by.azure).toMatchObject({ unsupported: null, price: { usd: 5 }, hosting: { usd_per_hour: 1.7 } })
    const why = (name: string) => (by[name] as NoEstimate).unsupported
    expect(why('vertex_ai')).toContain('GOOGLE_APPLICATION_CREDENTIALS_JSON')
    expect(why('bedrock')).toContain('AWS_ACCESS_KEY_ID')
    expect(why('openai_compatible')).toContain('neither')
  })

  it('names those whose table has no such model', async () => {
    const connections = {
      openai: { provider: 'openai' as const },
      other: { provider: 'bedrock' as const, region: 'us-east-1', accessKeyId: 'a', secretAccessKey: 'b' },
    }
    const client = await startGateway({ config: { connections, equivalents: [] } }).client()
    const training_file = await upload(client)
    const { estimates } = await ask(client, { model: `openai/${MODEL}`, training_file, provider: 'auto' })
    expect(estimates).toMatchObject([
      { connection: 'openai', unsupported: null, model: MODEL },
      { connection: 'other', unsupported: expect.stringContaining('neither') },
    ])
  })

  it('is refused where nobody can, as the job would be', async () => {
    const client = await startGateway().client()
    const training_file = await upload(client)
    await expect(
      ask(client, { model: 'no-such-model', training_file, provider: 'auto' }),
    ).rejects.toMatchObject({ status: 400, param: 'provider' })
  })
})

describe('what a job would be refused for, its estimate is', () => {
  const refused = async (change: Record<string, unknown>, path: string) => {
    const gateway = startGateway()
    const client = await gateway.client()
    const training_file = await upload(client)
    return client.post(path, { body: { model: MODEL, training_file, ...change } }).then(
      () => 'taken',
      (error: unknown) =>
        error instanceof OpenAI.APIError
          ? [error.status, error.code, error.param, error.message]
          : String(error),
    )
  }

  it.each([
    ['an unknown file', { training_file: 'file-none' }, 404, 'file_not_found', 'training_file'],
    [
      'an unknown validation file',
      { validation_file: 'file-none' },
      404,
      'file_not_found',
      'validation_file',
    ],
    ['no model', { model: undefined }, 400, 'missing_required_parameter', 'model'],
    [
      'epochs out of range',
      { method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 51 } } } },
      400,
      'invalid_value',
      'method.supervised.hyperparameters.n_epochs',
    ],
    [
      'a method the model does not take',
      { method: { type: 'reinforcement', reinforcement: { grader: { type: 'string_check' } } } },
      400,
      'invalid_value',
      'method.type',
    ],
    ['an unknown field', { colour: 'red' }, 400, 'unknown_parameter', 'colour'],
    ['an unknown provider', { provider: 'nobody' }, 400, 'invalid_value', 'provider'],
  ])('%s', async (_what, change, status, code, param) => {
    const answer = await refused(change, PATH)
    expect(answer).toMatchObject([status, code, param, expect.any(String)])
    expect(await refused(change, '/fine_tuning/jobs')).toEqual(answer)
  })

  it('an unknown file for auto as well', async () => {
    const answer = await refused({ training_file: 'file-none', provider: 'auto' }, PATH)
    expect(answer.slice(0, 3)).toEqual([404, 'file_not_found', 'training_file'])
  })

  it('someone else’s file', async () => {
    const gateway = startGateway()
    const training_file = await upload(await gateway.client())
    const stranger = await gateway.client()
    for (const provider of [undefined, 'auto'])
      await expect(ask(stranger, { model: MODEL, training_file, provider })).rejects.toMatchObject({
        status: 404,
        code: 'file_not_found',
      })
  })
})

describe('a job', () => {
  it('carries its estimate from the start, and its cost at the end', async () => {
    const client = await startGateway().client()
    const training_file = await upload(client)
    const estimate = only(await ask(client, { model: MODEL, training_file }))
    const made = (await client.fineTuning.jobs.create({ model: MODEL, training_file })) as Job
    expect(made.tunegate).toMatchObject({
      estimated_cost_usd: estimate.usd?.expected,
      estimate_missing: null,
      cost_usd: null,
      estimate: {
        tokens: { dataset: estimate.tokens.dataset, counter: 'o200k_base', exact: true },
        epochs: { value: 3 },
        price: { usd: 5, unit: 'training_token' },
        usd: estimate.usd,
      },
    })
    const done = (await until(client, made.id, 'succeeded')) as Job
    expect(done.tunegate.estimate).toEqual(made.tunegate.estimate)
    const trained = done.trained_tokens ?? 0
    expect(trained).toBeGreaterThan(0)
    expect(done.tunegate.cost_usd).toBeCloseTo((trained * 5) / 1e6, 6)
  })

  it('is made though its dataset cannot be counted, and says so', async () => {
    const gateway = startGateway()
    const { store } = gateway.platform
    const broken = startGateway({
      platform: {
        store: {
          ...store,
          get: async (kind, id) => {
            if (kind === 'count') throw new Error('the store is out of order')
            return store.get(kind, id)
          },
        },
      },
    })
    const client = await broken.client()
    const training_file = await upload(client)
    const job = (await client.fineTuning.jobs.create({ model: MODEL, training_file })) as Job
    expect(job.tunegate).toMatchObject({
      estimated_cost_usd: null,
      estimate: null,
      estimate_missing: expect.stringContaining('could not be counted'),
    })
  })

  it('has an estimate without a price, and no cost, where no price is known', async () => {
    const client = await startGateway({ variables: await providerVariables(SANDBOX) }).client()
    const training_file = await upload(client)
    const job = (await client.fineTuning.jobs.create({
      model: 'gemini-3.5-flash',
      training_file,
      ...({ provider: 'vertex_ai' } as object),
    })) as Job
    const { tunegate } = job
    expect(tunegate).toMatchObject({ estimated_cost_usd: null, estimate: { price: null, usd: null } })
    expect(tunegate.estimate?.price_missing).toContain('gemini-3.5-flash')
    const done = (await until(client, job.id, 'succeeded')) as Job
    expect(done.trained_tokens).toBeGreaterThan(0)
    expect(done.tunegate.cost_usd).toBeNull()
  })
})
