/** Neither keys nor datasets nor conversations are in an error or in the gateway's log. */
import { afterAll, describe, expect, it } from 'vitest'
import { isOnLambda, itIsJudged, type RawAnswer, useBench } from './support/bench.ts'
import { chatLines, fileOf, form, isOver, jobWhen, toJsonl, uploaded } from './support/data.ts'

const bench = useBench()

/** Planted in everything a caller sends; nothing of it may come out again where it was not asked for. */
const MARKER = 'marker-Zq81xY'
const PURPOSE = { name: 'purpose', value: 'fine-tune' }
const LINES = chatLines(12).map(line => JSON.stringify(line))

/** Everything that was answered, to look back on. */
const answers: RawAnswer[] = []
const keys: string[] = []

const raw: typeof bench.raw = async (path, options) => {
  const { key } = await bench.owner()
  keys.push(key)
  const answer = await bench.raw(path, { key, ...options })
  answers.push(answer)
  return answer
}
const upload = (line: string | Uint8Array) => {
  const value = Buffer.concat([Buffer.from(`${LINES.join('\n')}\n`), Buffer.from(line)])
  return raw('/v1/files', form([PURPOSE, { name: 'file', value, filename: 'd.jsonl' }]))
}
const chat = (fields: object = {}) =>
  raw('/v1/chat/completions', {
    body: { model: 'gpt-4.1-mini', messages: [{ role: 'user', content: MARKER }], ...fields },
  })

describe('an error says nothing of', () => {
  it.each([
    ['a line that is not JSON', `{"messages": "${MARKER}`],
    [
      'a line that is JSON but no example',
      JSON.stringify({ messages: [{ role: 'user', content: 1, name: MARKER }] }),
    ],
    ['a role that is none', JSON.stringify({ messages: [{ role: MARKER, content: 'x' }] })],
    ['a field that is none', JSON.stringify({ [MARKER]: [] })],
    ['a line that is not UTF-8', Buffer.concat([Buffer.from(MARKER), Buffer.from([0xff, 0xfe])])],
  ])('%s', async (_what, line) => {
    const { status, text } = await upload(line)
    expect(status).toBe(400)
    expect(text).toContain('line 13')
    expect(text).not.toContain(MARKER)
  })

  it.each([
    ['malformed JSON', `{"messages": "${MARKER}`],
    ['JSON of the wrong form', JSON.stringify({ model: 'gpt-4.1', messages: MARKER })],
  ])('%s', async (_what, body) => {
    const headers = { 'content-type': 'application/json' }
    const { status, text } = await raw('/v1/chat/completions', { method: 'POST', body, headers })
    expect(status).toBe(400)
    expect(text).not.toContain(MARKER)
  })

  it.each([
    ['reset', { kind: 'reset' }],
    ['garbage', { kind: 'garbage', body: `<html>${MARKER}` }],
    ['cut-body', { kind: 'cut-body' }],
  ] as const)('a chat that ends in %s', async (_what, fault) => {
    bench.stack.sandbox.fault({ path: '/chat/', ...fault })
    const { status, text } = await chat()
    expect(status).toBe(502)
    expect(text).not.toContain(MARKER)
  })

  it("the provider's key, though the provider quotes it", async () => {
    const { apiKey } = bench.stack.sandbox
    const error = {
      message: `Incorrect API key provided: ${apiKey}`,
      type: apiKey,
      param: apiKey,
      code: apiKey,
    }
    bench.stack.sandbox.fault({ path: '/chat/', kind: 'status', status: 401, body: { error } })
    const { status, text } = await chat()
    expect(status).toBe(401)
    expect(text).not.toContain(apiKey)
  })

  it('the key it was asked with', async () => {
    for (const key of [`tg-${MARKER}`, bench.stack.adminKey]) {
      const { status, text } = await raw('/v1/files', { key })
      expect(status).toBe(401)
      expect(text).not.toContain(key)
    }
    const headers = { authorization: `Basic ${MARKER}` }
    expect((await raw('/v1/files', { key: null, headers })).text).not.toContain(MARKER)
  })
})

describe('what works', () => {
  it('leaves the data where it belongs', async () => {
    const { client, key } = await bench.owner()
    keys.push(key)
    const lines = chatLines(12).map(({ messages }) => ({
      messages: [{ role: 'system', content: MARKER }, ...messages],
    }))
    const file = await uploaded(client, fileOf(toJsonl(lines)))
    expect(await (await client.files.content(file.id)).text()).toContain(MARKER)
    const { id } = await client.fineTuning.jobs.create({ model: 'gpt-4.1-mini', training_file: file.id })
    await jobWhen(client, id, isOver)
    for (const stream of [false, true]) expect((await chat({ stream })).status).toBe(200)
    bench.stack.sandbox.fault({ path: '/chat/', kind: 'cut-stream', afterChunks: 2 })
    await chat({ stream: true })
  })
})

describe("the gateway's log", () => {
  // Wrangler writes it; of Lambda's requests there is no line.
  it.skipIf(isOnLambda)('has a line for every request', async () => {
    const log = bench.stack.output()
    expect(log).toContain('POST /v1/files')
    expect(log).toContain('POST /v1/chat/completions')
  })

  it('has none of the secrets in any line', async () => {
    const log = bench.stack.output()
    const secrets = [MARKER, bench.stack.adminKey, bench.stack.sandbox.apiKey, ...keys]
    expect(secrets.filter(secret => log.includes(secret))).toEqual([])
  })
})

afterAll(() => {
  expect(answers.length).toBeGreaterThan(12)
})

itIsJudged(bench)
