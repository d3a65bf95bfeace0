/** What a function's log says of what goes wrong: names and places. Messages may quote keys and training data. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bundle } from '../../esbuild.config.ts'
import { createFunction, type LambdaFunction } from '../../sandbox/aws-platform/function.ts'
import { type AwsStack, BUCKET, startAwsStack } from '../../sandbox/aws-platform/stack.ts'

describe('an answer that breaks off', () => {
  let stack: AwsStack
  beforeAll(async () => {
    stack = await startAwsStack()
  })
  afterAll(() => stack?.stop())

  it('is cut off for the client, logged without its message, and the next one is whole', async () => {
    const headers = { authorization: `Bearer ${await stack.createKey()}` }
    const form = new FormData()
    form.set('purpose', 'batch')
    form.set('file', new File([new Uint8Array(2 ** 21)], 'x.bin'))
    const file = await fetch(`${stack.url}/v1/files`, { method: 'POST', headers, body: form })
    const { id } = (await file.json()) as { id: string }
    const content = () => fetch(`${stack.url}/v1/files/${id}/content`, { headers })
    stack.sandbox.fault({ kind: 'cut-body', method: 'GET', path: BUCKET })
    const before = stack.output().length
    const broken = await content()
    expect(broken.status).toBe(200)
    await expect(broken.arrayBuffer()).rejects.toThrow()
    const logged = () => stack.output().slice(before)
    const requestId = broken.headers.get('x-request-id')
    await expect
      .poll(logged)
      .toContain(`{"level":"error","request_id":"${requestId}","error":"TypeError","at":["at `)
    // The environment cannot go on: its runtime has no other way to break an answer off.
    await expect.poll(logged).toMatch(/"request_id":"process","error":"InvocationFailed"/)
    // Nothing of what Node's fetch says.
    expect(logged()).not.toMatch(/terminated|other side closed/)
    expect((await (await content()).arrayBuffer()).byteLength).toBe(2 ** 21)
  })
})

describe('what comes to a function', () => {
  const root = mkdtempSync(join(tmpdir(), 'tunegate-log-'))
  let log = ''
  const open: LambdaFunction[] = []
  const functionOf = (name: string) => {
    const made = createFunction({
      root,
      handler: `lambda.${name}`,
      variables: { AWS_REGION: 'us-east-1', TUNEGATE_ADMIN_KEY: 'x'.repeat(40) },
      log: written => {
        log += written
      },
    })
    open.push(made)
    return made
  }
  beforeAll(() => bundle(undefined, root))
  afterAll(async () => {
    await Promise.all(open.map(each => each.kill()))
    rmSync(root, { recursive: true })
  })

  it.each([
    ['a line break', 'Bearer secret-1\n'],
    ['half a character', 'Bearer secret-1\ud800'],
  ])('may have %s in a header, which is not quoted', async (_, authorization) => {
    const outcome = await functionOf('http').invoke({
      version: '2.0',
      rawPath: '/v1/nothing',
      rawQueryString: '',
      headers: { host: 'gateway.example.com', authorization },
      requestContext: { domainName: 'gateway.example.com', http: { method: 'GET', path: '/v1/nothing' } },
      isBase64Encoded: false,
    })
    const answer = outcome.kind === 'stream' ? await text(outcome.body) : outcome.kind
    expect(answer).toMatch(/"statusCode":404.*unknown_url/s)
    expect(log).not.toContain('secret-1')
  })

  it('is not quoted where it is nothing that was expected', async () => {
    const before = log.length
    const outcome = await functionOf('tasks').invoke({ Records: 'secret-2' })
    expect(outcome).toMatchObject({ kind: 'failed', type: 'InvocationFailed' })
    expect(outcome.kind === 'failed' && outcome.body).not.toMatch(/secret-2|is not a function/)
    await expect.poll(() => log.slice(before)).toMatch(/"request_id":"[\w-]{36}","error":"TypeError","at":\[/)
    expect(log.slice(before)).not.toMatch(/secret-2|is not a function/)
  })
})
