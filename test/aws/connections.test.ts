/** Connections of a function that is frozen between its invocations. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { bundle } from '../../esbuild.config.ts'
import { createFunction } from '../../sandbox/aws-platform/function.ts'

const root = mkdtempSync(join(tmpdir(), 'tunegate-connections-'))

/** DynamoDB without any records. It notes by which of its connections it was asked. */
const sockets = new Map<object, number>()
let asked: number[] = []
const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  const number = sockets.get(request.socket) ?? sockets.size + 1
  sockets.set(request.socket, number)
  asked.push(number)
  request.resume()
  response.setHeader('content-type', 'application/x-amz-json-1.0').end('{}')
})
server.keepAliveTimeout = 60_000

let http: ReturnType<typeof createFunction>
beforeAll(async () => {
  await Promise.all([
    bundle(undefined, root),
    new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve)),
  ])
  http = createFunction({
    root,
    handler: 'lambda.http',
    variables: {
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_ENDPOINT_URL_DYNAMODB: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      TUNEGATE_TABLE: 'records',
    },
    log: () => undefined,
  })
})
beforeEach(() => {
  asked = []
})
afterAll(async () => {
  await http?.kill()
  server.closeAllConnections()
  server.close()
  rmSync(root, { recursive: true })
})

/** Asks with a key that nobody has, and so for its record. */
const ask = async (key: string) => {
  const outcome = await http.invoke({
    version: '2.0',
    rawPath: '/v1/files',
    rawQueryString: '',
    headers: { authorization: `Bearer ${key}` },
    requestContext: { domainName: 'gateway.example.com', http: { method: 'GET', path: '/v1/files' } },
    isBase64Encoded: false,
  })
  expect(outcome.kind === 'stream' && (await text(outcome.body))).toContain('"statusCode":401')
}

it('serve the next invocation, if it comes soon', async () => {
  await ask('tg-1')
  await ask('tg-2')
  expect(asked).toEqual([1, 1])
})

it('are made anew after a freeze in which the other side may have given them up', async () => {
  await ask('tg-3')
  const send = (signal: NodeJS.Signals) => {
    for (const pid of http.pids) process.kill(pid, signal)
  }
  // An invocation is not over with its answer.
  await wait(300)
  send('SIGSTOP')
  await wait(4500)
  send('SIGCONT')
  await ask('tg-4')
  const [before = 0, after] = asked
  expect(after).toBe(before + 1)
})
