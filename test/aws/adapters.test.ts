/** Queue, secrets, credentials and streams on AWS. */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROLE_ARN, TEMPORARY } from '../../sandbox/aws/account.ts'
import { WEB_IDENTITY_TOKEN } from '../../sandbox/aws-platform/sts.ts'
import { createCredentials } from '../../shared/platform/aws/credentials.ts'
import { endpointOf } from '../../shared/platform/aws/endpoints.ts'
import { createAwsPlatform } from '../../shared/platform/aws/index.ts'
import { createAwsSecrets } from '../../shared/platform/aws/secrets.ts'
import { fetchOutside, relay, sizedBody } from '../../shared/platform/aws/streams.ts'
import { type Environment, plainChunks } from '../../shared/platform/index.ts'
import { type AwsBench, clientOf, hastyClock, startAwsBench } from './support.ts'

let bench: AwsBench
beforeAll(async () => {
  bench = await startAwsBench()
})
afterAll(() => Promise.all([bench.sandbox.close(), bench.services.close()]))

const of = (variables: Record<string, string>): Environment => ({ get: name => variables[name] })

describe('the queue', () => {
  const received = async () => {
    const { services } = bench
    const { Messages = [] } = (await services.direct('AmazonSQS.ReceiveMessage', {
      QueueUrl: services.queueUrl,
      MaxNumberOfMessages: 10,
    })) as { Messages?: { Body: string; ReceiptHandle: string }[] }
    for (const { ReceiptHandle } of Messages)
      await services.direct('AmazonSQS.DeleteMessage', { QueueUrl: services.queueUrl, ReceiptHandle })
    return Messages.map(({ Body }) => JSON.parse(Body))
  }
  const delayed = async () => {
    const { services } = bench
    const { Attributes } = (await services.direct('AmazonSQS.GetQueueAttributes', {
      QueueUrl: services.queueUrl,
      AttributeNames: ['All'],
    })) as { Attributes: Record<string, string> }
    return Number(Attributes.ApproximateNumberOfMessagesDelayed)
  }

  it('sends a task, at least once whatever becomes of the answer', async () => {
    const { queue } = createAwsPlatform(bench.variables)
    const task = { type: 'job', id: 'ftjob-ü' }
    await queue.enqueue(task)
    expect(await received()).toEqual([task])
    bench.services.fault({ action: 'SendMessage', kind: 'lost' })
    await queue.enqueue(task)
    expect(await received()).toEqual([task, task])
  })

  it('delays by no more than SQS does', async () => {
    const { queue } = createAwsPlatform(bench.variables)
    // Beyond 900 seconds the service refuses.
    await queue.enqueue({ type: 'job', id: '1' }, 86_400)
    await queue.enqueue({ type: 'job', id: '2' }, 0.4)
    await expect.poll(delayed).toBe(2)
    expect(await received()).toEqual([])
  })

  it('is not needed', async () => {
    const { queue } = createAwsPlatform({ ...bench.variables, TUNEGATE_QUEUE_URL: undefined })
    await expect(queue.enqueue({ type: 'job', id: '1' })).resolves.toBeUndefined()
  })
})

describe('the secrets', () => {
  let time = 0
  const clock = { ...hastyClock, now: () => Date.now() + time }
  const open = (prefixes: Record<string, string>) =>
    createAwsSecrets(
      clientOf(bench),
      of({ ...(bench.variables as Record<string, string>), ...prefixes }),
      clock,
    )
  const PREFIXES = { TUNEGATE_SECRETS_PREFIX: 'tunegate/test/', TUNEGATE_SSM_PREFIX: '/tunegate/test/' }

  it('come from Secrets Manager, then from Parameter Store, decrypted, below their prefixes', async () => {
    const { secrets, parameters } = bench.services.vaults
    secrets.set('tunegate/test/BOTH', 'from the manager')
    parameters.set('/tunegate/test/BOTH', 'from the store')
    parameters.set('/tunegate/test/PARAMETER', 'decrypted')
    secrets.set('OUTSIDE', 'not ours')
    const { get } = open(PREFIXES)
    expect(await get('BOTH')).toBe('from the manager')
    expect(await get('PARAMETER')).toBe('decrypted')
    expect(await get('OUTSIDE')).toBeUndefined()
    expect(await get('../OUTSIDE?')).toBeUndefined()
  })

  it('that are deleted are not there, though Secrets Manager could still restore them', async () => {
    const { deleted, parameters } = bench.services.vaults
    deleted.add('tunegate/test/MOVED')
    parameters.set('/tunegate/test/MOVED', 'to the store')
    expect(await open(PREFIXES).get('MOVED')).toBe('to the store')
  })

  it('are asked for once in five minutes, whether there is one or not', async () => {
    const { secrets } = bench.services.vaults
    secrets.set('tunegate/test/TURNING', 'first')
    const { get } = open(PREFIXES)
    expect([await get('TURNING'), await get('LATER')]).toEqual(['first', undefined])
    secrets.set('tunegate/test/TURNING', 'second')
    secrets.set('tunegate/test/LATER', 'there')
    time += 299_000
    expect([await get('TURNING'), await get('LATER')]).toEqual(['first', undefined])
    time += 2000
    expect([await get('TURNING'), await get('LATER')]).toEqual(['second', 'there'])
  })

  it('are not given up for lost after a failure', async () => {
    bench.services.vaults.secrets.set('tunegate/test/SHY', 'here')
    bench.services.fault({ action: 'GetSecretValue', kind: 'broken', times: 5 })
    const { get } = open(PREFIXES)
    await expect(get('SHY')).rejects.toThrow('InternalServerError')
    expect(await get('SHY')).toBe('here')
  })

  it('are asked of nobody without a prefix', async () => {
    bench.services.fault({ action: 'GetSecretValue', kind: 'broken', times: 1 })
    bench.services.fault({ action: 'GetParameter', kind: 'broken', times: 1 })
    expect(await open({}).get('BOTH')).toBeUndefined()
    // The faults are still there: nobody has called.
    expect(await open(PREFIXES).get('BOTH')).toBe('from the manager')
  })
})

describe('the credentials', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tunegate-token-'))
  const file = join(directory, 'token')
  writeFileSync(file, `${WEB_IDENTITY_TOKEN}\n`)
  afterAll(() => rmSync(directory, { recursive: true }))
  let time = 0
  const clock = { ...hastyClock, now: () => Date.now() + time }
  const open = (variables: Record<string, string>, calls: string[] = []) =>
    createCredentials({
      environment: of({ AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL_STS: bench.services.origin, ...variables }),
      clock,
      fetch: (input, init) => {
        calls.push(String(input))
        return fetch(input, init)
      },
    })

  it('are the environment’s, read anew each time', async () => {
    const variables: Record<string, string> = { AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: 'S' }
    const get = createCredentials({ environment: of(variables), clock, fetch })
    expect(await get()).toEqual({ accessKeyId: 'A', secretAccessKey: 'S', sessionToken: undefined })
    Object.assign(variables, { AWS_ACCESS_KEY_ID: 'B', AWS_SESSION_TOKEN: 'T' })
    expect(await get()).toEqual({ accessKeyId: 'B', secretAccessKey: 'S', sessionToken: 'T' })
  })

  it('are a role’s, for a web identity’s token, until shortly before they end', async () => {
    const calls: string[] = []
    const get = open({ AWS_ROLE_ARN: ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE: file }, calls)
    expect(await get()).toEqual({ ...TEMPORARY })
    time += 50 * 60_000
    await get()
    expect(calls).toHaveLength(1)
    time += 6 * 60_000
    await get()
    expect(calls).toHaveLength(2)
  })

  it.each([
    ['none at all', {}, /There are no AWS credentials/],
    [
      'no file',
      { AWS_ROLE_ARN: ROLE_ARN, AWS_WEB_IDENTITY_TOKEN_FILE: '/nowhere/token' },
      /no file that can be read/,
    ],
    [
      'another role',
      { AWS_ROLE_ARN: `${ROLE_ARN}X`, AWS_WEB_IDENTITY_TOKEN_FILE: file },
      /400: AccessDenied/,
    ],
  ])('are refused, saying no secret: %s', async (_, variables, why) => {
    const error = await open(variables as Record<string, string>)().catch((thrown: unknown) => thrown)
    expect(String(error)).toMatch(why)
    expect(String(error)).not.toContain(WEB_IDENTITY_TOKEN)
  })

  it.each([
    ['us-east-1', 'dynamodb', 'https://dynamodb.us-east-1.amazonaws.com/'],
    ['cn-north-1', 's3', 'https://s3.cn-north-1.amazonaws.com.cn/'],
  ] as const)('go to the region’s own endpoints: %s %s', (AWS_REGION, service, url) => {
    expect(endpointOf(of({ AWS_REGION }), service).href).toBe(url)
    expect(() => endpointOf(of({ AWS_REGION: 'x.evil.test/' }), service)).toThrow('AWS_REGION')
  })
})

describe('streams on Node', () => {
  const bytes = (text: string) => new TextEncoder().encode(text)
  const textOf = (stream: ReadableStream<Uint8Array>) => new Response(stream).text()
  /** Says what is asked of it. */
  const watched = (parts: string[], broken?: Error) => {
    const seen = { pulls: 0, cancelled: false }
    const stream = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          const part = parts[seen.pulls++]
          if (part !== undefined) controller.enqueue(bytes(part))
          else if (broken) controller.error(broken)
          else controller.close()
        },
        cancel() {
          seen.cancelled = true
        },
      },
      { highWaterMark: 0 },
    )
    return { stream, seen }
  }

  it('of pieces open one when the one before has ended, and read nothing ahead', async () => {
    const first = watched(['b', 'c'])
    let opened = 0
    const body = sizedBody(
      [
        bytes('a'),
        first.stream,
        async () => {
          opened++
          return watched(['d']).stream
        },
      ],
      4,
    )
    expect([first.seen.pulls, opened]).toEqual([0, 0])
    const reader = body.getReader()
    const read = async () => new TextDecoder().decode((await reader.read()).value)
    expect([await read(), await read()]).toEqual(['a', 'b'])
    expect([first.seen.pulls, opened]).toEqual([1, 0])
    expect([await read(), await read()]).toEqual(['c', 'd'])
    expect((await reader.read()).done).toBe(true)
  })

  it.each([3, 5])('that are not %i bytes long after all break off', async size => {
    await expect(textOf(sizedBody([bytes('ab'), bytes('cd')], size))).rejects.toThrow('than it was announced')
  })

  it('that are left leave the piece they are in', async () => {
    const piece = watched(['a', 'b', 'c'])
    const body = sizedBody([piece.stream], 3)
    const reader = body.getReader()
    await reader.read()
    await reader.cancel()
    expect(piece.seen).toMatchObject({ cancelled: true })
  })

  it('are sent with their length, and follow no redirect', async () => {
    const seen: unknown[] = []
    const server = createServer((request, response) => {
      seen.push([request.headers['content-length'], request.headers['transfer-encoding']])
      request.resume().on('end', () => response.writeHead(307, { location: '/elsewhere' }).end())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    const send = (body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>) =>
      fetchOutside(
        new Request(url, { method: 'PUT', body, duplex: 'half', redirect: 'manual' } as RequestInit),
      )
    await expect(send(sizedBody([bytes('ab'), bytes('cd')], 4))).rejects.toThrow()
    expect((await send(bytes('abc'))).status).toBe(307)
    expect(seen).toEqual([
      ['4', undefined],
      ['3', undefined],
    ])
    server.close()
  })

  it('are relayed with what is to be said at their end', async () => {
    const told: unknown[] = []
    const atEnd = (tail: Uint8Array, broken: { cause: unknown } | undefined) => {
      told.push([new TextDecoder().decode(tail).length, broken?.cause])
      return broken ? bytes('!') : undefined
    }
    expect(await textOf(relay(watched(['x'.repeat(300), 'y']).stream, atEnd))).toBe(`${'x'.repeat(300)}y`)
    const cause = new Error('gone')
    expect(await textOf(relay(watched(['ab'], cause).stream, atEnd))).toBe('ab!')
    expect(told).toEqual([
      [256, undefined],
      [2, cause],
    ])
    const left = watched(['a', 'b'])
    const reader = relay(left.stream, atEnd).getReader()
    await reader.read()
    expect(left.seen.pulls).toBe(1)
    await reader.cancel()
    expect(left.seen.cancelled).toBe(true)
  })

  it('are read chunk by chunk', async () => {
    const reader = plainChunks(watched(['a', '', 'b']).stream)
    const read = async () => new TextDecoder().decode(await reader.next())
    expect([await read(), await read(), await reader.next()]).toEqual(['a', 'b', undefined])
  })
})

describe('work that goes on after the answer', () => {
  it('is waited for, and what it begins in turn', async () => {
    const platform = createAwsPlatform(bench.variables)
    const done: string[] = []
    const work = async (name: string, next?: () => void) => {
      await new Promise(resolve => setTimeout(resolve, 5))
      next?.()
      done.push(name)
    }
    platform.defer(work('one', () => platform.defer(work('two'))))
    platform.defer(Promise.reject(new Error('its own affair')))
    await platform.settled()
    expect(done).toEqual(['one', 'two'])
  })
})
