/** Amazon Bedrock in workerd: S3, jobs, deployments and Converse of the sandbox, which verifies every signature. */
import { AwsV4Signer } from 'aws4fetch'
import type OpenAI from 'openai'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { BedrockConnection } from '../../shared/config.ts'
import { datasetFile, type Gateway, SANDBOX, sandbox, startGateway, until } from '../support/gateway.ts'
import { isOnAws } from '../support/ground.ts'

interface Access {
  region: string
  accessKeyId: string
  secretAccessKey: string
  temporary: { accessKeyId: string; secretAccessKey: string; sessionToken: string }
  expired: { accessKeyId: string; secretAccessKey: string; sessionToken: string }
  bedrockApiKey: string
  bucket: string
  roleArn: string
  s3Url: string
  bedrockUrl: string
  bedrockRuntimeUrl: string
}
let access: Access
beforeAll(async () => {
  access = (await (await fetch(`${SANDBOX}/_sandbox/aws`)).json()) as Access
})
beforeEach(() => sandbox.reset())

const MODEL = 'amazon.nova-lite-v1:0'
const messages = [{ role: 'user' as const, content: 'please help me with my refund' }]

/** A connection to the sandbox's account, but for what a test wants otherwise. */
const connection = (changed: Partial<BedrockConnection> = {}): BedrockConnection => ({
  provider: 'bedrock',
  accessKeyId: access.accessKeyId,
  secretAccessKey: access.secretAccessKey,
  region: access.region,
  roleArn: access.roleArn,
  bucket: access.bucket,
  s3Url: access.s3Url,
  bedrockUrl: access.bedrockUrl,
  runtimeUrl: access.bedrockRuntimeUrl,
  ...changed,
})

const start = (changed: Partial<BedrockConnection> = {}): Gateway =>
  startGateway({
    config: { connections: { bedrock: connection(changed) }, defaultConnection: 'bedrock' },
  })

/** What the sandbox's S3 answers to a rightly signed GET below the bucket. */
const s3 = async (query: string): Promise<string> => {
  const signer = new AwsV4Signer({
    ...access,
    service: 's3',
    url: `${access.s3Url}/${access.bucket}/?${query}`,
  })
  const { url, headers } = await signer.sign()
  return (await fetch(url, { headers })).text()
}
const openUploads = () => s3('uploads=')
const storedKeys = async () =>
  Array.from((await s3('list-type=2')).matchAll(/<Key>([^<]+)<\/Key>/g), ([, key]) => key)

const upload = async (client: OpenAI, lines = 40) =>
  (await client.files.create({ file: datasetFile(lines), purpose: 'fine-tune' })).id

const create = async (client: OpenAI, body: Record<string, unknown> = {}) =>
  client.fineTuning.jobs.create({ model: MODEL, training_file: await upload(client), ...body })

/** Deploys a job's tune and waits until it answers. */
const deploy = async (
  gateway: Gateway,
  key: string,
  job: string,
): Promise<{ model: string; status: string }> => {
  const path = `/v1/fine_tuning/jobs/${job}`
  const asked = await gateway.fetch(`${path}/deploy`, { method: 'POST', key })
  if (asked.status !== 200) throw new Error(await asked.text())
  for (let tries = 0; tries < 500; tries++) {
    const answer = await gateway.fetch(`${path}/deployment`, { key })
    const deployment = (await answer.json()) as { model: string; status: string }
    if (deployment.status === 'ready') return deployment
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  throw new Error('it was never ready')
}

describe('a job on Bedrock', () => {
  it('is trained, deployed, called, streamed and taken down', async () => {
    const gateway = start()
    const key = await gateway.key()
    const client = await gateway.client(key)
    const validation_file = await upload(client, 20)
    const job = await create(client, {
      validation_file,
      suffix: 'intents',
      metadata: { team: 'a+b', note: 'not; a tag' },
      method: {
        type: 'supervised',
        supervised: { hyperparameters: { n_epochs: 3, learning_rate_multiplier: 2, batch_size: 'auto' } },
      },
    })
    expect(job).toMatchObject({ model: `${MODEL}:300k`, metadata: { team: 'a+b', note: 'not; a tag' } })
    const done = await until(client, job.id, 'succeeded', 'failed')
    expect(done).toMatchObject({
      status: 'succeeded',
      error: null,
      hyperparameters: { n_epochs: 3, learning_rate_multiplier: 2 },
    })
    expect(done.finished_at).toBeGreaterThan(1_700_000_000)
    expect(done.finished_at).toBeLessThan(4_000_000_000)

    const metrics = await Promise.all(
      done.result_files.map(async id => (await client.files.content(id)).text()),
    )
    expect(metrics).toHaveLength(2)
    expect(metrics).toContainEqual(expect.stringMatching(/^step_number,epoch_number,training_loss/))

    const { model } = await deploy(gateway, key, job.id)
    const whole = await client.chat.completions.create({ model, messages, temperature: 0 })
    expect(whole.choices[0]).toMatchObject({ message: { content: 'refund' }, finish_reason: 'stop' })
    expect(whole.usage?.total_tokens).toBeGreaterThan(0)

    const stream = await client.chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    const finishes: (string | null)[] = []
    let total = 0
    for await (const { choices, usage } of stream) {
      text += choices[0]?.delta.content ?? ''
      if (choices[0]?.finish_reason) finishes.push(choices[0].finish_reason)
      total = usage?.total_tokens ?? total
    }
    expect({ text, finishes, total }).toEqual({
      text: 'refund',
      finishes: ['stop'],
      total: whole.usage?.total_tokens,
    })

    const gone = await gateway.fetch(`/v1/fine_tuning/jobs/${job.id}/deployment`, { method: 'DELETE', key })
    expect(gone.status).toBe(200)
    await expect(client.chat.completions.create({ model, messages })).rejects.toMatchObject({ status: 409 })
  })

  it('is stopped: running until Bedrock has confirmed it', async () => {
    await sandbox.settings({ stepMs: 30 })
    const client = await start().client()
    const job = await create(client)
    const asked = await client.fineTuning.jobs.cancel(job.id)
    await sandbox.settings({ stepMs: 0 })
    expect(['running', 'cancelled']).toContain(asked.status)
    expect((await until(client, job.id, 'cancelled', 'succeeded')).status).toBe('cancelled')
  })

  it.each([
    { name: 'an error after the effect', fault: { kind: 'effect-then-status', status: 500 } },
    { name: 'a reset after the effect', fault: { kind: 'effect-then-reset' } },
    { name: 'an error before the effect', fault: { kind: 'status', status: 500 } },
    { name: 'an answer that is no JSON', fault: { kind: 'garbage' } },
  ])('survives $name: there is one job, found by its name or its token', async ({ fault }) => {
    const client = await start().client()
    const training_file = await upload(client)
    await sandbox.fault({ method: 'POST', path: '/model-customization-jobs$', ...fault })
    const job = await client.fineTuning.jobs.create({ model: MODEL, training_file })
    expect((await until(client, job.id, 'succeeded', 'failed')).status).toBe('succeeded')
    const made = (await sandbox.requests()).filter(
      ({ method, path }) => method === 'POST' && path.endsWith('/model-customization-jobs'),
    )
    expect(new Set(made.map(({ body }) => JSON.stringify(body))).size).toBe(1)
    const listed = await client.fineTuning.jobs.list()
    expect(listed.data).toHaveLength(1)
  })

  it('of a base that needs provisioned throughput says which setting allows it', async () => {
    const gateway = start()
    const key = await gateway.key()
    const client = await gateway.client(key)
    const job = await create(client, { model: 'anthropic.claude-3-haiku-20240307-v1:0' })
    expect((await until(client, job.id, 'succeeded', 'failed')).error).toBeNull()
    const answer = await gateway.fetch(`/v1/fine_tuning/jobs/${job.id}/deploy`, { method: 'POST', key })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      error: { param: 'provisionedUnits', message: expect.stringContaining('BEDROCK_PROVISIONED_UNITS') },
    })
  })

  it('of a base that needs provisioned throughput is served by it where that is allowed', async () => {
    const gateway = start({ provisionedUnits: '1' })
    const key = await gateway.key()
    const client = await gateway.client(key)
    const job = await create(client, { model: 'anthropic.claude-3-haiku-20240307-v1:0' })
    await until(client, job.id, 'succeeded')
    const { model } = await deploy(gateway, key, job.id)
    const answer = await client.chat.completions.create({ model, messages })
    expect(answer.choices[0]?.message.content).toBe('refund')
  })
})

describe('a dataset in S3', () => {
  /** Lines of a little over a KiB each. */
  const big = (mebibytes: number): File => {
    const line = (index: number) =>
      `${JSON.stringify({
        messages: [
          { role: 'user', content: `${index} ${'é'.repeat(500)}` },
          { role: 'assistant', content: `intent ${index % 7}` },
        ],
      })}\n`
    const lines = Array.from({ length: mebibytes * 1024 }, (_, index) => line(index))
    return new File([lines.join('')], 'big.jsonl')
  }

  it('of more than two parts arrives whole, in equal parts of at least 5 MiB', async () => {
    const client = await start().client()
    const { id } = await client.files.create({ file: big(17), purpose: 'fine-tune' })
    const job = await client.fineTuning.jobs.create({ model: MODEL, training_file: id })
    expect((await until(client, job.id, 'succeeded', 'failed', 'running')).status).not.toBe('failed')
    const parts = (await sandbox.requests()).filter(
      ({ method, path }) => method === 'PUT' && path.includes('/aws/s3/'),
    )
    expect(parts).toHaveLength(3)
    expect(parts.slice(0, 2).map(({ headers }) => headers['content-length'])).toEqual(['8388608', '8388608'])
    expect(await openUploads()).not.toContain('<Upload>')
    const [key] = await storedKeys()
    expect(key).toMatch(/^tunegate\/files\/[\w-]+\/file-\w+\.jsonl$/)
  })

  it.each([
    { name: 'a part that is refused', fault: { kind: 'status', status: 403 } },
    { name: 'a part that never arrives', fault: { kind: 'reset', times: 9 } },
  ])('leaves no parts behind after $name', async ({ fault }) => {
    const client = await start().client()
    const { id } = await client.files.create({ file: big(17), purpose: 'fine-tune' })
    await sandbox.fault({ method: 'PUT', path: '/aws/s3/.*', ...fault })
    await expect(client.fineTuning.jobs.create({ model: MODEL, training_file: id })).rejects.toThrow()
    expect(await openUploads()).toMatch(/<ListMultipartUploadsResult/)
    expect(await openUploads()).not.toContain('<Upload>')
    expect(await storedKeys()).toEqual([])
    expect((await client.fineTuning.jobs.list()).data).toEqual([])
  })

  it('is there when the answer to its completion was lost', async () => {
    const client = await start().client()
    const { id } = await client.files.create({ file: big(9), purpose: 'fine-tune' })
    // The start of the upload comes first; the completion's own effect is then repeated, and finds no upload.
    await sandbox.fault({ method: 'POST', path: '/aws/s3/.*', kind: 'slow' })
    await sandbox.fault({ method: 'POST', path: '/aws/s3/.*', kind: 'effect-then-reset' })
    const job = await client.fineTuning.jobs.create({ model: MODEL, training_file: id })
    expect(job.id).toMatch(/^ftjob-/)
    expect(await storedKeys()).toHaveLength(1)
  })
})

describe('chat on Bedrock', () => {
  const weather = {
    type: 'function' as const,
    function: {
      name: 'get_weather',
      description: 'The weather of a city',
      parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
    },
  }

  it('calls a tool, takes its result, and streams both', async () => {
    const client = await start().client()
    const question = [{ role: 'user' as const, content: 'What is the weather in Oslo?' }]
    const request = { model: MODEL, messages: question, tools: [weather], tool_choice: 'required' as const }
    const answer = await client.chat.completions.create(request)
    const [call] = answer.choices[0]?.message.tool_calls ?? []
    if (call?.type !== 'function') throw new Error('no call')
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } })
    expect(call.function.name).toBe('get_weather')
    expect(JSON.parse(call.function.arguments)).toBeTypeOf('object')

    const stream = client.chat.completions.stream(request)
    const streamed = await stream.finalChatCompletion()
    const [same] = streamed.choices[0]?.message.tool_calls ?? []
    expect(same).toMatchObject({ type: 'function', function: call.function })

    const told = await client.chat.completions.create({
      model: MODEL,
      tools: [weather],
      messages: [
        ...question,
        { role: 'assistant', tool_calls: [call] },
        { role: 'tool', tool_call_id: call.id, content: '{"t":3}' },
      ],
    })
    expect(told.choices).toHaveLength(1)
  })

  it('speaks through a Bedrock API key, which S3 is never shown', async () => {
    const settings = { accessKeyId: undefined, secretAccessKey: undefined, apiKey: access.bedrockApiKey }
    const client = await start(settings as Partial<BedrockConnection>).client()
    expect((await client.chat.completions.create({ model: MODEL, messages })).choices).toHaveLength(1)
    const creation = create(client)
    // A function of AWS has its role's keys for that.
    if (isOnAws) await creation
    else await expect(creation).rejects.toMatchObject({ status: 400, param: 'accessKeyId' })
    const toS3 = (await sandbox.requests()).filter(({ path }) => path.startsWith('/aws/s3'))
    expect(toS3.length > 0).toBe(isOnAws)
    expect(JSON.stringify(toS3)).not.toContain(access.bedrockApiKey)
  })

  it('speaks with temporary credentials', async () => {
    const client = await start(access.temporary).client()
    expect((await client.chat.completions.create({ model: MODEL, messages })).choices).toHaveLength(1)
  })

  it('does not take a token from elsewhere for a long-term key', async () => {
    const client = await start({ sessionToken: access.temporary.sessionToken }).client()
    expect((await client.chat.completions.create({ model: MODEL, messages })).choices).toHaveLength(1)
  })

  it('takes keys of the request, and then nothing of the deployment but the places', async () => {
    const gateway = startGateway({
      config: {
        requestCredentials: true,
        connections: { bedrock: connection({ accessKeyId: 'AKIAOTHER', secretAccessKey: 'other' }) },
        defaultConnection: 'bedrock',
      },
    })
    const client = await gateway.client()
    const own = { aws_access_key_id: access.accessKeyId, aws_secret_access_key: access.secretAccessKey }
    const answer = await client.chat.completions.create({ model: MODEL, messages, ...own })
    expect(answer.choices).toHaveLength(1)
    await expect(client.chat.completions.create({ model: MODEL, messages })).rejects.toThrow()
  })

  it.each([
    {
      name: 'an exception',
      fault: { kind: 'stream-exception', exception: 'throttlingException' },
      status: 429,
    },
    { name: 'a broken connection', fault: { kind: 'cut-stream' }, status: 502 },
    { name: 'an early end', fault: { kind: 'end-stream' }, status: 502 },
  ])('never presents $name inside a 200 as a clean end', async ({ fault }) => {
    const gateway = start()
    await sandbox.fault({ path: '/converse-stream$', afterChunks: 2, ...fault })
    const answer = await gateway.fetch('/v1/chat/completions', {
      method: 'POST',
      key: await gateway.key(),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: MODEL, messages, stream: true }),
    })
    expect(answer.status).toBe(200)
    const text = await answer.text()
    expect(text).not.toContain('[DONE]')
    const last = text.trim().split('\n').at(-1) ?? ''
    const { error } = JSON.parse(last.replace(/^data: /, '')) as { error: { code: string } }
    expect(error.code).toBe(
      { 'stream-exception': 'rate_limit_exceeded' }[fault.kind as 'stream-exception'] ??
        'provider_stream_broken',
    )
  })
})

describe('credentials that Bedrock does not take', () => {
  const SECRET = 'a-secret-that-must-not-be-told'

  it.each([
    ['a wrong secret', { secretAccessKey: SECRET }, 'secretAccessKey'],
    ['an unknown key', { accessKeyId: 'AKIANOBODYNOBODY0000', secretAccessKey: SECRET }, 'accessKeyId'],
    ['a wrong region', { region: 'eu-west-1' }, 'region'],
    ['a wrong API key', { apiKey: SECRET }, 'apiKey'],
    ['a region that is none', { region: 'us-east-1.evil.example/#' }, 'region'],
    ['a secret with a line end', { secretAccessKey: `${SECRET}\n` }, 'secretAccessKey'],
  ] as [string, Partial<BedrockConnection>, string][])(
    '%s: the setting is named, the secret is not',
    async (name, changed, param) => {
      const gateway = start(changed)
      const answer = await gateway.fetch('/v1/chat/completions', {
        method: 'POST',
        key: await gateway.key(),
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ model: MODEL, messages }),
      })
      const text = await answer.text()
      expect(JSON.parse(text)).toMatchObject({ error: { param } })
      // What AWS refuses is told apart from what the gateway sees for itself.
      const isSeen = ['region that is none', 'line end'].some(word => name.includes(word))
      expect(JSON.parse(text).error.code).toBe(
        isSeen ? 'connection_unconfigured' : 'provider_authentication_failed',
      )
      expect(text).not.toContain(SECRET)
      expect(text).not.toContain('NOBODY')
    },
  )

  it('expired ones are told by their token', async () => {
    const client = await start(access.expired).client()
    await expect(client.chat.completions.create({ model: MODEL, messages })).rejects.toMatchObject({
      param: 'sessionToken',
    })
  })

  it.each([
    ['secretAccessKey', { secretAccessKey: SECRET }],
    ['region', { region: 'eu-west-1' }],
  ] as [string, Partial<BedrockConnection>][])('S3 refuses a wrong %s likewise', async (param, changed) => {
    const error: { param?: string } = await create(await start(changed).client()).catch(error => error)
    expect(error.param).toBe(param)
    expect(JSON.stringify(error)).not.toContain(SECRET)
  })

  it.each([
    ['roleArn', undefined],
    ['roleArn', 'not-an-arn'],
    ['bucket', undefined],
  ] as const)('a job without a %s (%s) is refused, and none is left', async (setting, value) => {
    const changed = { [setting]: value } as Partial<BedrockConnection>
    const client = await start(changed).client()
    await expect(create(client)).rejects.toMatchObject({ status: 400, param: setting })
    expect((await client.fineTuning.jobs.list()).data).toEqual([])
  })
})
