/** The gateway as a Lambda function: what is AWS's own about it. The end-to-end tests of both platforms are in `test/e2e`. */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { TEMPORARY } from '../../sandbox/aws/account.ts'
import { createFunction, RUNTIME_NAME } from '../../sandbox/aws-platform/function.ts'
import { type AwsStack, startAwsStack } from '../../sandbox/aws-platform/stack.ts'
import type { UploadObject } from '../../shared/openai/index.ts'
import { chatLines, datasetFile, isOver, jobWhen, toJsonl } from '../e2e/support/data.ts'

const MEBIBYTE = 2 ** 20
const cache = inject('stackCache')

let stack: AwsStack
let key: string
let client: OpenAI
beforeAll(async () => {
  stack = await startAwsStack({ cache })
  key = await stack.createKey()
  client = new OpenAI({ apiKey: key, baseURL: stack.baseURL, maxRetries: 0 })
})
afterAll(() => stack?.stop())

const post = (url: string, body: string | Uint8Array<ArrayBuffer>, type: string) =>
  fetch(url, { method: 'POST', headers: { authorization: `Bearer ${key}`, 'content-type': type }, body })

describe(`a function under ${RUNTIME_NAME}`, () => {
  it('is a cold start without a call of anything', async () => {
    const cold = await startAwsStack({
      sandbox: false,
      cache,
      // Whoever called one of these while loading would fail, and answer nothing.
      vars: Object.fromEntries(
        ['DYNAMODB', 'S3', 'SQS', 'SECRETS_MANAGER', 'SSM'].map(name => [
          `AWS_ENDPOINT_URL_${name}`,
          'http://127.0.0.1:9/',
        ]),
      ),
    })
    const answer = await fetch(`${cold.url}/v1/nothing`)
    expect([answer.status, await answer.json()]).toMatchObject([404, { error: { code: 'unknown_url' } }])
    await cold.stop()
  })

  it('that does not load is a failure of each invocation, and not of the machine', async () => {
    const broken = createFunction({
      root: '/nowhere',
      handler: 'lambda.http',
      variables: {},
      log: () => undefined,
    })
    expect(await broken.invoke({})).toMatchObject({ kind: 'failed', type: 'Runtime.InitError' })
    expect(await broken.invoke({})).toMatchObject({ kind: 'failed' })
    await broken.kill()
  })

  it('takes up to 6 MB in one request, in whatever encoding', async () => {
    const form = new FormData()
    form.set('purpose', 'batch')
    form.set('file', new File([randomBytes(4 * MEBIBYTE)], 'x.bin'))
    const answer = await fetch(`${stack.url}/v1/files`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: form,
    })
    expect([answer.status, await answer.json()]).toMatchObject([200, { object: 'file' }])
  })

  it.each([
    ['JSON', () => JSON.stringify({ filename: 'x'.repeat(7 * MEBIBYTE) }), 'application/json'],
    ['bytes', () => new Uint8Array(5 * MEBIBYTE), 'application/octet-stream'],
  ])('refuses more of %s at the edge with a 413 that names the ways round it', async (_, body, type) => {
    const answer = await post(`${stack.url}/v1/uploads`, body(), type)
    const { error } = (await answer.json()) as { error: { message: string; code: string } }
    expect(answer.status).toBe(413)
    expect(error).toMatchObject({ code: 'body_too_large', type: 'invalid_request_error', param: null })
    expect(error.message).toContain('POST /v1/uploads with "direct": true')
    expect(answer.headers.get('x-request-id')).toMatch(/^req_\w+$/)
    // Without CloudFront it is Lambda's own, and says nothing of that.
    const bare = await post(`${stack.bareUrl}/v1/uploads`, body(), type)
    expect([bare.status, await bare.text()]).toEqual([413, expect.not.stringContaining('direct')])
  })

  it.each([
    ['an answer', '/v1/files', 200],
    ['an error', '/v1/files/file-none', 404],
  ])('never has %s stored, or given to another who asks at the same time', async (_, path, status) => {
    const answer = await fetch(`${stack.url}${path}`, { headers: { authorization: `Bearer ${key}` } })
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([status, 'no-store'])
    await answer.arrayBuffer()
  })

  it('answers a GET that brings a body as any other', async () => {
    const body = '{}'
    const asked = request(`${stack.bareUrl}/v1/files`, {
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        'content-length': body.length,
      },
    }).end(body)
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    expect([answer.statusCode, await json(answer)]).toMatchObject([200, { object: 'list' }])
  })

  it.each([
    ['no percent-encoding', '/v1/models/%E0%A4%A', 'model_not_found'],
    ['half a character', '/v1/files/%ED%A0%80', 'file_not_found'],
  ])('answers a path with %s as any other', async (_, path, code) => {
    const asked = request(`${stack.url}${path}`, { headers: { authorization: `Bearer ${key}` } }).end()
    const [answer] = (await once(asked, 'response')) as [IncomingMessage]
    expect([answer.statusCode, await json(answer)]).toMatchObject([404, { error: { code } }])
  })

  it('takes a file of any size straight to the bucket, by URLs that the role signs, and gives it back whole', async () => {
    const bytes = randomBytes(23 * MEBIBYTE)
    const created = await post(
      `${stack.url}/v1/uploads`,
      JSON.stringify({
        filename: 'direct.bin',
        purpose: 'batch',
        bytes: bytes.length,
        mime_type: 'application/octet-stream',
        direct: true,
        part_size: 8 * MEBIBYTE,
      }),
      'application/json',
    )
    const upload = (await created.json()) as UploadObject
    const parts = upload.tunegate?.parts ?? []
    expect(parts.map(part => part.bytes)).toEqual([8, 8, 7].map(n => n * MEBIBYTE))
    let start = 0
    for (const { url = '', method, headers, bytes: size } of parts) {
      expect(url).toContain('X-Amz-Security-Token=')
      const put = await fetch(url, {
        method: method ?? 'PUT',
        headers: headers ?? {},
        body: bytes.subarray(start, start + size),
      })
      expect(put.status).toBe(200)
      start += size
    }
    const { file } = await client.uploads.complete(upload.id, { part_ids: parts.map(part => part.id) })
    const content = new Uint8Array(await (await client.files.content(file?.id ?? '')).arrayBuffer())
    expect(createHash('sha256').update(content).digest('hex')).toBe(
      createHash('sha256').update(bytes).digest('hex'),
    )
  })

  it('does not end before what goes on after its answer', async () => {
    // A job that is answered at once is placed by a message: it must be in the queue when the function is frozen.
    const file = await client.files.create({ file: datasetFile(), purpose: 'fine-tune' })
    const { id } = await client.fineTuning.jobs.create(
      { model: 'gpt-4.1-mini', training_file: file.id },
      { headers: { prefer: 'respond-async' } },
    )
    await stack.killGateway()
    expect(await jobWhen(client, id, isOver)).toMatchObject({ status: 'succeeded' })
  })

  it('logs where a request fails inside, and nothing of what was in it', async () => {
    const marker = 'marker-Zq81xY'
    const lines = chatLines(12).map(({ messages }) => ({
      messages: [{ role: 'system', content: marker }, ...messages],
    }))
    const before = stack.output().length
    stack.services.fault({ action: 'UpdateItem', kind: 'broken', times: 9 })
    const body = new FormData()
    body.set('purpose', 'fine-tune')
    body.set('file', new File([toJsonl(lines)], `${marker}.jsonl`))
    const headers = { authorization: `Bearer ${key}` }
    const answer = await fetch(`${stack.url}/v1/files`, { method: 'POST', headers, body })
    stack.services.clearFaults()
    const id = answer.headers.get('x-request-id') ?? ''
    expect([answer.status, id]).toEqual([500, expect.stringMatching(/^req_/)])
    await expect.poll(() => stack.output().slice(before)).toContain(id)
    const [logged, told] = [stack.output().slice(before), await answer.text()]
    expect(logged).toContain('AwsError dynamodb UpdateItem')
    for (const secret of [marker, key, TEMPORARY.secretAccessKey, TEMPORARY.sessionToken])
      expect(logged + told).not.toContain(secret)
  })

  it('makes the messages that failed come again, and no others', async () => {
    const { services } = stack
    const send = (body: string) =>
      services.direct('AmazonSQS.SendMessage', { QueueUrl: services.queueUrl, MessageBody: body })
    const before = stack.output().length
    // One fails as long as the table is away; what is no task is done with.
    services.fault({ action: 'GetItem', kind: 'broken', times: 5 })
    await Promise.all([
      send(JSON.stringify({ type: 'job', id: 'ftjob-none' })),
      send('no task'),
      send(JSON.stringify({ type: 'of another version', id: 'x' })),
    ])
    await expect
      .poll(() => stack.output().slice(before), { timeout: 30_000 })
      .toMatch(/"request_id":"job ftjob-none".*AwsError dynamodb GetItem/)
    const left = async () => {
      const { Attributes } = (await services.direct('AmazonSQS.GetQueueAttributes', {
        QueueUrl: services.queueUrl,
        AttributeNames: ['All'],
      })) as { Attributes: Record<string, string> }
      return Attributes.ApproximateNumberOfMessagesNotVisible
    }
    await expect.poll(left, { timeout: 10_000 }).toBe('1')
  })
})

describe('Bedrock', () => {
  const onBedrock = { provider: 'bedrock' } as object

  it('is called as the function’s role, trains, and an event of EventBridge makes the gateway ask', async () => {
    stack.sandbox.reset()
    const file = await client.files.create({
      file: new File([toJsonl(chatLines(120))], 'train.jsonl'),
      purpose: 'fine-tune',
    })
    const job = await client.fineTuning.jobs.create({
      model: 'amazon.nova-lite-v1:0:300k',
      training_file: file.id,
      ...onBedrock,
    })
    const calls = () => stack.sandbox.requests().filter(({ path }) => path.startsWith('/aws/bedrock'))
    expect(calls().length).toBeGreaterThan(0)
    for (const { headers } of stack.sandbox.requests().filter(({ path }) => path.startsWith('/aws/')))
      expect(headers).toMatchObject({
        'x-amz-security-token': TEMPORARY.sessionToken,
        authorization: expect.stringContaining(`Credential=${TEMPORARY.accessKeyId}/`),
      })
    const { native_id } = (job as unknown as { tunegate: { native_id: string } }).tunegate
    const event = {
      version: '0',
      id: crypto.randomUUID(),
      'detail-type': 'Model Customization Job State Change',
      source: 'aws.bedrock',
      account: '123456789012',
      time: new Date().toISOString(),
      region: 'us-east-1',
      resources: [native_id],
      detail: { jobArn: native_id, jobStatus: 'Completed' },
    }
    const before = calls().length
    await stack.deliver(event)
    expect(calls().length).toBeGreaterThan(before)
    const after = calls().length
    // The same event once more, one about nobody's job, and one of another kind.
    await stack.deliver(event)
    await stack.deliver({ ...event, id: 'other', detail: { jobArn: `${native_id}0` } })
    await stack.deliver({ ...event, id: 'more', source: 'aws.s3' })
    expect(calls().length).toBe(after)
  })
})

describe('Vertex AI', () => {
  it('is reached by the function’s role, without a key of Google’s', async () => {
    const keyless = await startAwsStack({
      cache,
      vars: ({ google }) => {
        const oidc = google.externalAccount()
        return {
          GOOGLE_APPLICATION_CREDENTIALS_JSON: JSON.stringify({
            ...oidc,
            audience: oidc.audience.replace('sandbox-oidc', 'sandbox-aws'),
            subject_token_type: 'urn:ietf:params:aws:token-type:aws4_request',
            credential_source: { environment_id: 'aws1' },
          }),
        }
      },
    })
    const openai = new OpenAI({ apiKey: await keyless.createKey(), baseURL: keyless.baseURL, maxRetries: 0 })
    const answer = await openai.chat.completions.create({
      model: 'vertex_ai/gemini-3.5-flash',
      messages: [{ role: 'user', content: 'please help me with my refund' }],
    })
    expect(answer.choices[0]?.message.content).toEqual(expect.any(String))
    // AWS's identity for a federated one, and that for the service account's.
    expect(
      keyless.sandbox.requests().map(({ path }) => /^\/google\/(sts|iamcredentials|oauth2)/.exec(path)?.[1]),
    ).toEqual(['sts', 'iamcredentials', undefined])
    await keyless.stop()
  })
})

describe('a stream', () => {
  it('arrives chunk by chunk: each is read before the next is sent', async () => {
    let answer: ServerResponse | undefined
    const upstream = createServer((request, response) => {
      request.resume()
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      // The head of an answer goes out of Lambda with the first of its body.
      response.write('data: {"n":0}\n\n')
      answer = response
    })
    upstream.listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    const origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
    const own = await startAwsStack({
      sandbox: false,
      cache,
      vars: { TUNEGATE_SANDBOX_ORIGIN: origin, OPENAI_BASE_URL: `${origin}/v1`, OPENAI_API_KEY: 'sk-test' },
    })
    const response = await fetch(`${own.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${await own.createKey()}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'gpt-4.1-mini',
        messages: [{ role: 'user', content: 'x' }],
        stream: true,
      }),
    })
    expect(response.headers.get('content-type')).toBe('text/event-stream')
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    for (let n = 0; n < 8; n++) {
      const event = `data: {"n":${n}}\n\n`
      if (n > 0) answer?.write(event)
      // Nothing more is sent until this has come through.
      expect((await reader?.read())?.value).toBe(event)
    }
    answer?.end('data: [DONE]\n\n')
    expect((await reader?.read())?.value).toBe('data: [DONE]\n\n')
    expect((await reader?.read())?.done).toBe(true)
    await own.stop()
    upstream.close()
  })
})
