/** What the official clients were recorded to send: the same intent makes the same request. */
import { describe, expect, it } from 'vitest'
import { chat } from '../../../shared/providers/bedrock/chat/index.ts'
import { deployments } from '../../../shared/providers/bedrock/deployments.ts'
import { files } from '../../../shared/providers/bedrock/files.ts'
import { jobs } from '../../../shared/providers/bedrock/jobs.ts'
import { toComplete, toList, toPart, toPut, toStart } from '../../../shared/providers/bedrock/s3.ts'
import type { Channel, NativeJob } from '../../../shared/providers/provider.ts'
import { utf8 } from '../support/bytes.ts'
import { channelTo, errorOf, LOCAL, NOW, type Reply, recorded, type Sent, signatureOf } from './support.ts'

interface Recording {
  method: string
  path: string
  query: Record<string, string>
  contentType?: string
  credential?: string
  authorization?: string
  body?: unknown
  reply: { status: number; headers: Record<string, string>; body: string | { base64: string } }
}
const recording = (name: keyof typeof recorded) => recorded[name] as unknown as Recording
const replyOf = ({ reply }: Recording): Reply => ({
  status: reply.status,
  headers: reply.headers,
  body: typeof reply.body === 'string' ? reply.body : '',
})

/** `x-id` only tells AWS's own logs which call it was. */
const queryOf = (query: Record<string, string>) => {
  const { 'x-id': _, ...rest } = query
  return rest
}
const textOf = (body: Sent['body']) =>
  body instanceof Uint8Array ? new TextDecoder().decode(body) : (body ?? '')
const jsonOf = ({ body }: Sent) => JSON.parse(textOf(body)) as Record<string, unknown>

const expectSame = (sent: Sent | undefined, { method, path, query, credential }: Recording) => {
  expect(sent).toMatchObject({ method, url: { pathname: path } })
  expect(Object.fromEntries(sent?.url.searchParams ?? [])).toEqual(queryOf(query))
  expect(sent && signatureOf(sent).scope).toBe(credential)
}

const run = async (name: keyof typeof recorded, act: (channel: Channel) => Promise<unknown>) => {
  const recorded = recording(name)
  const { channel, sent } = channelTo([replyOf(recorded)], LOCAL)
  const result = await act(channel)
  expectSame(sent[0], recorded)
  return { sent: sent[0] as Sent, recorded, result }
}

const JOB_ARN =
  'arn:aws:bedrock:us-east-1:123456789012:model-customization-job/amazon.nova-lite-v1:0:300k/abcdefghijkl'
const DEPLOYMENT = 'arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/abcdefghijkl'
const MODEL_ARN = 'arn:aws:bedrock:us-east-1:123456789012:custom-model/amazon.nova-lite-v1:0:300k/abc'

describe('jobs as AWS’s client sends them', () => {
  it('create', async () => {
    const { sent, recorded, result } = await run('bedrock.CreateModelCustomizationJob', channel =>
      jobs.create(channel, {
        label: 'ft-job-1',
        model: 'amazon.nova-lite-v1:0',
        trainingFile: 's3://bucket/train.jsonl',
        validationFile: 's3://bucket/val.jsonl',
        suffix: 'my-model',
        seed: null,
        metadata: { tenant: 't1' },
        integrations: null,
        method: {
          type: 'supervised',
          supervised: { hyperparameters: { n_epochs: 2, batch_size: 'auto', learning_rate_multiplier: 1 } },
        },
        options: { learning_rate_warmup_steps: 10 },
      }),
    )
    expect(jsonOf(sent)).toEqual({
      ...(recorded.body as object),
      // What the gateway chooses: where results go, the token and the model's name from its label, a tag of its own.
      outputDataConfig: { s3Uri: 's3://bucket/results/' },
      clientRequestToken: 'ft-job-1',
      customModelName: 'my-model-ft-job-1',
      jobTags: [
        { key: 'tenant', value: 't1' },
        { key: 'tunegate_job', value: 'ft-job-1' },
      ],
    })
    expect(result).toMatchObject({ id: JOB_ARN, nativeStatus: 'InProgress', status: 'queued' })
  })

  it('get', async () => {
    const { result } = await run('bedrock.GetModelCustomizationJob', channel => jobs.get(channel, JOB_ARN))
    expect(result).toMatchObject({ nativeStatus: 'InProgress', status: 'running', fineTunedModel: null })
  })
})

describe('deployments as AWS’s client sends them', () => {
  it('create', async () => {
    const job = { fineTunedModel: MODEL_ARN } as NativeJob
    const { sent, recorded, result } = await run('bedrock.CreateCustomModelDeployment', channel =>
      deployments.create(channel, job, 'my-dep'),
    )
    const { tags: _, ...body } = recorded.body as Record<string, unknown>
    expect(jsonOf(sent)).toEqual({ ...body, clientRequestToken: 'my-dep' })
    expect(result).toEqual({
      id: DEPLOYMENT,
      model: DEPLOYMENT,
      nativeStatus: 'Creating',
      status: 'deploying',
      error: null,
    })
  })

  it('get', async () => {
    const { result } = await run('bedrock.GetCustomModelDeployment', channel =>
      deployments.get(channel, DEPLOYMENT),
    )
    expect(result).toMatchObject({ status: 'ready', nativeStatus: 'Active', model: DEPLOYMENT })
  })

  it('delete', async () => {
    await run('bedrock.DeleteCustomModelDeployment', channel => deployments.delete(channel, DEPLOYMENT))
  })
})

describe('conversations as AWS’s client sends them', () => {
  /** What the recorded Converse request means, in OpenAI's words. */
  const body = {
    model: DEPLOYMENT,
    messages: [
      { role: 'system', content: 'Be terse.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'hi' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw==' } },
        ],
      },
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          {
            id: 'tooluse_1',
            type: 'function',
            function: { name: 'get_weather', arguments: '{"city":"Oslo"}' },
          },
        ],
      },
      { role: 'tool', tool_call_id: 'tooluse_1', content: '{"t":3}' },
    ],
    max_tokens: 64,
    temperature: 0.2,
    top_p: 0.9,
    stop: 'END',
    tools: [
      {
        type: 'function',
        function: {
          name: 'get_weather',
          description: 'd',
          strict: true,
          parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
        },
      },
    ],
    tool_choice: 'auto',
    metadata: { tenant: 't1' },
    response_format: {
      type: 'json_schema',
      json_schema: {
        name: 'o',
        description: 'd',
        schema: {
          type: 'object',
          properties: { a: { type: 'string' } },
          required: ['a'],
          additionalProperties: false,
        },
      },
    },
  }
  const request = (more: object = {}) => {
    const whole = { ...body, ...more }
    return { text: JSON.stringify(whole), body: whole, dropParams: false }
  }

  /** Where we choose otherwise: a tool's result stays the text it was; `top_k` is no field of OpenAI's. */
  const chosen = (recorded: Recording) => {
    const { additionalModelRequestFields: _, ...rest } = structuredClone(recorded.body) as Record<
      string,
      unknown
    >
    const messages = rest.messages as { content: Record<string, unknown>[] }[]
    messages[2] = {
      ...messages[2],
      content: [{ toolResult: { toolUseId: 'tooluse_1', content: [{ text: '{"t":3}' }] } }],
    }
    return { ...rest, messages }
  }

  it('Converse', async () => {
    const { sent, recorded, result } = await run('bedrock-runtime.Converse', channel =>
      chat.complete(channel, request()),
    )
    expect(jsonOf(sent)).toEqual(chosen(recorded))
    const { bytes } = result as { bytes: Uint8Array }
    expect(JSON.parse(new TextDecoder().decode(bytes))).toMatchObject({
      object: 'chat.completion',
      created: Math.floor(NOW / 1000),
      model: DEPLOYMENT,
      choices: [
        {
          index: 0,
          finish_reason: 'tool_calls',
          message: {
            role: 'assistant',
            content: 'Hi',
            refusal: null,
            tool_calls: [
              {
                id: 'tooluse_1',
                type: 'function',
                function: { name: 'get_weather', arguments: '{"city":"Oslo"}' },
              },
            ],
          },
        },
      ],
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
    })
  })

  it('ConverseStream', async () => {
    const { sent, recorded } = await run('bedrock-runtime.ConverseStream', channel =>
      chat.complete(channel, request({ stream: true })),
    )
    expect(jsonOf(sent)).toEqual(chosen(recorded))
  })

  it('Converse with an API key', async () => {
    const recorded = recording('bedrock-runtime.Converse.bearer')
    const { channel, sent } = channelTo([replyOf(recorded)], { ...LOCAL, apiKey: 'bedrock-api-key-FAKE' })
    const simple = { model: 'amazon.nova-lite-v1:0', messages: [{ role: 'user', content: 'hi' }] }
    await chat.complete(channel, { text: '', body: simple, dropParams: false })
    expect(sent[0]?.url.pathname).toBe(recorded.path)
    expect(sent[0]?.headers.authorization).toBe(recorded.authorization)
    expect(jsonOf(sent[0] as Sent)).toEqual(recorded.body)
  })

  it('a throttled Converse is a 429 that says so, and is not sent again', async () => {
    const recorded = recording('bedrock-runtime.Converse.throttled')
    const { channel, sent } = channelTo([replyOf(recorded)], LOCAL)
    expect(await errorOf(() => chat.complete(channel, request()))).toMatchObject({
      status: 429,
      code: 'rate_limit_exceeded',
      nativeCode: 'ThrottlingException',
      said: 'Too many requests, please wait before trying again.',
    })
    expect(sent[0]?.repeat).toBe('never')
  })
})

describe('S3 as AWS’s client is sent', () => {
  it.each([
    ['s3.HeadObject', (channel: Channel) => files.get(channel, 's3://bucket/k.jsonl')],
    ['s3.DeleteObject', (channel: Channel) => files.delete(channel, 's3://bucket/k.jsonl')],
    [
      's3.GetObject',
      (channel: Channel) =>
        files.content(
          channel,
          's3://bucket/out/model-customization-job-abc/training_artifacts/step_wise_training_metrics.csv',
        ),
    ],
    [
      's3.PutObject',
      (channel: Channel) =>
        channel.call(
          toPut(LOCAL, { bucket: 'bucket', key: 'tenants/t1/train file.jsonl' }, utf8('{"a":1}\n')),
        ),
    ],
    [
      's3.ListObjectsV2',
      (channel: Channel) => channel.call(toList(LOCAL, 'bucket', 'out/model-customization-job-abc/', 10)),
    ],
    [
      's3.MultipartUpload.Create',
      (channel: Channel) => channel.call(toStart(LOCAL, { bucket: 'bucket', key: 'big.jsonl' })),
    ],
    [
      's3.MultipartUpload.Part',
      (channel: Channel) =>
        channel.call(toPart(LOCAL, { bucket: 'bucket', key: 'big.jsonl', id: 'up1' }, 1, utf8('{"a":1}\n'))),
    ],
    [
      's3.MultipartUpload.Complete',
      (channel: Channel) =>
        channel.call(toComplete(LOCAL, { bucket: 'bucket', key: 'big.jsonl', id: 'up1' }, ['"e"'])),
    ],
  ] as const)('%s', async (name, act) => {
    const { sent, recorded: made } = await run(name, act)
    expect(textOf(sent.body)).toBe(
      typeof made.body === 'object' ? `${JSON.stringify(made.body)}\n` : (made.body ?? ''),
    )
    expect(sent.headers['x-amz-content-sha256']).toBe('UNSIGNED-PAYLOAD')
    expect(signatureOf(sent).signedHeaders).toBe(recorded['aws4fetch.signedHeaders'])
  })
})
