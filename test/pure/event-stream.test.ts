import * as fc from 'fast-check'
import { APIError } from 'openai'
import { Stream } from 'openai/core/streaming'
import { describe, expect, it } from 'vitest'
import { ApiError, guardEventStream } from '../../shared/openai/index.ts'
import { cutAt, cuts, everyCut, joined, readAll, streamOf, utf8 } from './support/bytes.ts'

const broken = (cause?: unknown) =>
  new ApiError({ status: 502, code: 'provider_stream_broken', message: 'It broke off.', cause })

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const guarded = (chunks: Uint8Array[], ending: 'close' | 'error' = 'close') =>
  readAll(guardEventStream(streamOf(chunks, { ending }), broken))

const chunk = (content: string) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`
const DONE = 'data: [DONE]\n\n'
const ANSWER = `${chunk('Grüße')}${chunk('漢字 🎈')}: keep-alive\n\n${chunk('data: [DONE]')}${DONE}`

const ANSWERS: Record<string, string> = {
  'a usual answer': ANSWER,
  'CRLF line ends': ANSWER.replaceAll('\n', '\r\n'),
  'no blank line after the end': ANSWER.trimEnd(),
  'one line end after the end': `${ANSWER.trimEnd()}\n`,
  'no space after the colon': ANSWER.replace(DONE, 'data:[DONE]\n\n'),
  'many blank lines after the end': `${ANSWER}${'\n'.repeat(50)}`,
  'nothing but the end': DONE,
  'a long line': chunk('x'.repeat(300)) + DONE,
  'named events': `event: message\nid: 7\n${ANSWER}`,
}

/** The whole lines of a text, and what the break leaves of the last. */
const wholeLines = (bytes: Uint8Array) => bytes.slice(0, bytes.lastIndexOf(0x0a) + 1)

/** Whether a stream of these bytes may end here: its last line that is not blank is the end mark. */
const isWhole = (sent: string) => /^data: ?\[DONE\]$/.test(sent.trimEnd().split(/\r?\n/).at(-1) ?? '')

const expectBroken = (output: Uint8Array, sent: Uint8Array) => {
  const lines = wholeLines(sent)
  expect(text(output.slice(0, lines.length))).toBe(text(lines))
  const rest = text(output.slice(lines.length))
  // Two line ends end what was begun, wherever it broke; one event follows, and nothing else.
  expect(rest).toMatch(/^\n\ndata: [^\n]*\n\n$/)
  expect(JSON.parse(rest.slice('\n\ndata: '.length))).toEqual({
    error: { message: 'It broke off.', type: 'server_error', param: null, code: 'provider_stream_broken' },
  })
}

describe('guardEventStream, a whole answer', () => {
  it.each(Object.entries(ANSWERS))('%s passes byte for byte, whatever the cuts', async (_, answer) => {
    const bytes = utf8(answer)
    for (const chunks of everyCut(bytes)) expect(text(await guarded(chunks))).toBe(answer)
  })

  it('passes whatever it holds', async () => {
    const line = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }).map(content => content.replace(/[\r\n]/g, '')),
      fc.constantFrom(
        '',
        'data: [DONE]',
        ' data: [DONE]',
        ': data: [DONE]',
        'data: [DONE] x',
        'event: [DONE]',
      ),
      fc.string({ maxLength: 60 }).map(content => `data: ${JSON.stringify({ content })}`),
    )
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { maxLength: 20 }),
        fc.constantFrom('\n', '\r\n'),
        cuts(1200),
        async (lines, end, offsets) => {
          const answer = [...lines, 'data: [DONE]', ''].join(end)
          expect(text(await guarded(cutAt(utf8(answer), offsets)))).toBe(answer)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('passes each event on before the next has come', async () => {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>()
    const writer = writable.getWriter()
    const reader = guardEventStream(readable, broken).getReader()
    for (const event of [chunk('a'), chunk('b'), DONE]) {
      const [, { value }] = await Promise.all([writer.write(utf8(event)), reader.read()])
      expect(text(value ?? new Uint8Array())).toBe(event)
    }
    await writer.close()
    expect(await reader.read()).toEqual({ value: undefined, done: true })
  })

  it('is not spoiled by a connection that is reset after its end', async () => {
    expect(text(await guarded([utf8(ANSWER)], 'error'))).toBe(ANSWER)
  })
})

describe('guardEventStream, a broken answer (Portkey 20: the client saw a clean end)', () => {
  it.each(Object.entries(ANSWERS))('%s, broken off or ended at every byte', async (_, answer) => {
    const bytes = utf8(answer)
    for (let end = 0; end < bytes.length; end++) {
      const sent = bytes.slice(0, end)
      for (const chunks of [[sent], cutAt(sent, [end >> 1]), Array.from(sent, byte => Uint8Array.of(byte))]) {
        const output = await guarded(chunks)
        if (isWhole(text(sent))) expect(output).toEqual(sent)
        else expectBroken(output, sent)
        // A reset within the last line leaves it open whether more was to come.
        const reset = await guarded(chunks, 'error')
        if (isWhole(text(wholeLines(sent)))) expect(reset).toEqual(wholeLines(sent))
        else expectBroken(reset, sent)
      }
    }
  })

  it.each([
    ['the end mark within the content', `data: {"c":"\\ndata: [DONE]`],
    ['the end mark as the content of another field', 'id: data: [DONE]\n\n'],
    ['the end mark in a comment', ': data: [DONE]\n\n'],
    [
      'a comment whose end looks like the mark, far back',
      `: ${'x'.repeat(9)}data: [DONE]\n${'\n'.repeat(19)}`,
    ],
    ['the end mark with more on its line', 'data: [DONE] really\n\n'],
    ['the end mark in lower case', 'data: [done]\n\n'],
    ['the end mark indented', ' data: [DONE]\n\n'],
    ['the end mark without its name', '[DONE]\n\n'],
    ['events after the end mark', `${DONE}${chunk('more')}`],
    ['an answer that is no stream', '{"choices":[]}'],
    ['nothing', ''],
  ])('%s is no end', async (_, answer) => {
    for (const chunks of everyCut(utf8(answer))) expectBroken(await guarded(chunks), utf8(answer))
  })

  it('says why, once', async () => {
    const causes: unknown[] = []
    const cause = new Error('reset')
    const stream = guardEventStream(streamOf([utf8(chunk('a'))], { ending: 'error', cause }), why => {
      causes.push(why)
      return broken(why)
    })
    expect(text(await readAll(stream)).match(/"error"/g)).toHaveLength(1)
    expect(causes).toEqual([cause])
  })

  it('is an error to the official client, after all that came before it', async () => {
    const bytes = utf8(ANSWER)
    for (const end of [0, 1, 40, 60, 75, bytes.length - DONE.length]) {
      const response = new Response(guardEventStream(streamOf([bytes.slice(0, end)]), broken))
      const stream = Stream.fromSSEResponse<unknown>(response, new AbortController())
      const seen: unknown[] = []
      const failed = await (async () => {
        for await (const event of stream) seen.push(event)
      })().catch((error: unknown) => error)
      expect(failed).toBeInstanceOf(APIError)
      expect(failed).toMatchObject({ code: 'provider_stream_broken' })
      const events = text(wholeLines(bytes.slice(0, end))).match(/^data: \{.*\}$/gm) ?? []
      expect(seen).toHaveLength(events.length)
    }
  })
})

describe('guardEventStream, a client that leaves', () => {
  it('cancels the upstream, with its reason', async () => {
    const reasons: unknown[] = []
    const upstream = new ReadableStream<Uint8Array>({
      pull: controller => controller.enqueue(utf8(chunk('a'))),
      cancel: reason => void reasons.push(reason),
    })
    const reader = guardEventStream(upstream, broken).getReader()
    await reader.read()
    await reader.cancel('gone')
    expect(reasons).toEqual(['gone'])
  })

  it('cancels an upstream it waits for, and is told nothing more', async () => {
    let cancelled = false
    const failures: unknown[] = []
    const upstream = new ReadableStream<Uint8Array>({
      pull: () => new Promise(() => undefined),
      cancel() {
        cancelled = true
      },
    })
    const reader = guardEventStream(upstream, cause => {
      failures.push(cause)
      return broken(cause)
    }).getReader()
    const waiting = reader.read()
    await reader.cancel()
    expect(await waiting).toEqual({ value: undefined, done: true })
    await new Promise(resolve => setTimeout(resolve, 0))
    expect(cancelled).toBe(true)
    expect(failures).toEqual([])
  })

  it('is not read ahead for: the upstream is asked when the client asks', async () => {
    let pulled = 0
    const upstream = new ReadableStream<Uint8Array>(
      { pull: controller => controller.enqueue(utf8(chunk(String(pulled++)))) },
      { highWaterMark: 0 },
    )
    const reader = guardEventStream(upstream, broken).getReader()
    for (let read = 0; read < 3; read++) await reader.read()
    await new Promise(resolve => setTimeout(resolve, 0))
    expect(pulled).toBeLessThanOrEqual(5)
    await reader.cancel()
  })
})

it('the helpers cut bytes without losing any', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.array(fc.nat({ max: 20 })), (bytes, offsets) => {
      expect(joined(cutAt(bytes, offsets))).toEqual(Uint8Array.from(bytes))
      for (const chunks of everyCut(bytes)) expect(joined(chunks)).toEqual(Uint8Array.from(bytes))
    }),
  )
})
