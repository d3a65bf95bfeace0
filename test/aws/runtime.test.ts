/** Lambda's runtime on this machine, with handlers of nothing but what is asked of it. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFunction, type LambdaFunction, RUNTIME_NAME } from '../../sandbox/aws-platform/function.ts'

const HANDLERS = `
  let calls = 0
  export const whole = async event => ({ ...event, calls: ++calls })
  export const nothing = async () => undefined
  export const asked = async (_, context) => ({
    ...context,
    hasTime: context.getRemainingTimeInMillis() > 0,
    trace: process.env._X_AMZN_TRACE_ID,
  })
  export const failing = async event => {
    if (event.fails) throw Object.assign(new Error('Zeitüberschreitung ✗'), { name: 'Odd' })
    return 'fine'
  }
  export const callback = (event, context, done) => done(null, event)
  export const streamed = awslambda.streamifyResponse(async (event, stream) => {
    stream.write('one')
    if (event.fails) throw new RangeError('broken')
    stream.end(' two')
  })
`

const root = mkdtempSync(join(tmpdir(), 'tunegate-runtime-'))
const open: LambdaFunction[] = []
let log = ''
const functionOf = (handler: string): LambdaFunction => {
  const made = createFunction({
    root,
    handler: `handlers.${handler}`,
    variables: {},
    log: text => {
      log += text
    },
  })
  open.push(made)
  return made
}
beforeAll(() => writeFileSync(join(root, 'handlers.mjs'), HANDLERS))
afterAll(async () => {
  await Promise.all(open.map(each => each.kill()))
  rmSync(root, { recursive: true })
})

const answerOf = async (made: LambdaFunction, event: object = {}) => {
  const outcome = await made.invoke(event)
  return outcome.kind === 'whole' ? JSON.parse(outcome.body.toString()) : outcome
}

describe(RUNTIME_NAME, () => {
  it('gives one invocation after the other to the same environment', async () => {
    const whole = functionOf('whole')
    expect(await answerOf(whole, { text: 'ä€𝄞' })).toEqual({ text: 'ä€𝄞', calls: 1 })
    // While it is not yet ready for the next one, that goes to another.
    await expect.poll(() => answerOf(whole), { timeout: 20_000 }).toEqual({ calls: 3 })
  })

  it('takes nothing for null', async () => {
    expect(await answerOf(functionOf('nothing'))).toBeNull()
  })

  it('says which invocation it is, and how long it may take', async () => {
    expect(await answerOf(functionOf('asked'))).toMatchObject({
      awsRequestId: expect.stringMatching(/^[\w-]{36}$/),
      invokedFunctionArn: expect.stringMatching(/^arn:aws:lambda:/),
      functionName: 'tunegate-asked',
      memoryLimitInMB: '512',
      hasTime: true,
      trace: expect.stringMatching(/^Root=1-/),
    })
  })

  it('tells of an exception, whatever it says, and goes on', async () => {
    const failing = functionOf('failing')
    expect(await answerOf(failing, { fails: true })).toMatchObject({
      kind: 'failed',
      type: 'Odd',
      body: expect.stringContaining('Zeitüberschreitung ✗'),
    })
    expect(await answerOf(failing)).toBe('fine')
  })

  it('refuses a handler with a callback, as Node 24’s does', async () => {
    expect(await answerOf(functionOf('callback'))).toMatchObject({
      kind: 'failed',
      type: 'Runtime.InitError',
      body: expect.stringContaining('Runtime.CallbackHandlerDeprecated'),
    })
  })

  it('streams', async () => {
    const outcome = await functionOf('streamed').invoke({})
    expect(outcome.kind === 'stream' && (await text(outcome.body))).toBe('one two')
  })

  it('ends a stream that fails with what happened in its trailers, and goes on', async () => {
    const streamed = functionOf('streamed')
    const broken = await streamed.invoke({ fails: true })
    if (broken.kind !== 'stream') throw new Error(broken.kind)
    expect(await text(broken.body)).toBe('one')
    expect(broken.body.trailers).toMatchObject({
      'lambda-runtime-function-error-type': 'RangeError',
    })
    const whole = await streamed.invoke({})
    expect(whole.kind === 'stream' && (await text(whole.body))).toBe('one two')
  })

  it('says in its log what a handler throws: handlers must not throw what nobody may read', () => {
    expect(log).toMatch(/Invoke Error.*Zeitüberschreitung ✗/)
  })

  it('is installed without its scripts being run, whatever npm does it: they compile for minutes', () => {
    const json = (path: string) => JSON.parse(readFileSync(join(import.meta.dirname, '../..', path), 'utf8'))
    // npm 11 and later ask the first, those before them the second.
    expect(json('package.json').allowScripts['aws-lambda-ric']).toBe(false)
    expect(json('package-lock.json').packages['node_modules/aws-lambda-ric']).not.toHaveProperty(
      'hasInstallScript',
    )
  })
})
