/**
 * A Worker that reads datasets of its own making, so that nothing but the reading is measured: `/<way>?file=…&megabytes=…`.
 *
 * @module
 */
import { convert } from '../shared/datasets/convert.ts'
import { FORMATS } from '../shared/datasets/formats/index.ts'
import { createInspector } from '../shared/datasets/inspector.ts'
import { createLineReader } from '../shared/datasets/lines.ts'
import { ANYONE, type Target } from '../shared/datasets/target.ts'

/** No two records of it are the same. */
const BLOCK_BYTES = 32 << 20
const CHUNK_BYTES = 128 << 10
const GEMINI: Target = { ...ANYONE, provider: 'vertex_ai', model: 'gemini-3.5-flash', format: 'gemini' }

const example = (i: number) => ({
  messages: [
    { role: 'system', content: 'Name the intent of the customer’s message.' },
    { role: 'user', content: `My card ${i} was swallowed by the machine at the station, what do I do now?` },
    { role: 'assistant', content: 'card_swallowed' },
  ],
})
const cells = ({ messages }: ReturnType<typeof example>) =>
  messages.map(({ content }) => `"${content}"`).join(',')

/** What stands before the first record, between records, and a record. */
const FILES: Record<string, { head: string; between: string; tail: string; record: (i: number) => string }> =
  {
    jsonl: { head: '', between: '\n', tail: '\n', record: i => JSON.stringify(example(i)) },
    json: { head: '[', between: ',\n', tail: ']', record: i => JSON.stringify(example(i)) },
    csv: { head: 'system,user,assistant\n', between: '\n', tail: '\n', record: i => cells(example(i)) },
  }

/** Pieces of a file of about so many bytes; each piece but the last is sent as often as needed to get there. */
const blocks = new Map<string, { head: Uint8Array; block: Uint8Array; tail: Uint8Array }>()
const blockOf = (name: string) => {
  const known = blocks.get(name)
  if (known) return known
  const file = FILES[name]
  if (!file) throw new Error(`no file ${name}`)
  const encoder = new TextEncoder()
  const records: string[] = []
  for (let size = 0, i = 0; size < BLOCK_BYTES; i++) {
    const record = file.record(i)
    size += record.length
    records.push(record)
  }
  const made = {
    head: encoder.encode(file.head),
    block: encoder.encode(records.join(file.between) + file.between),
    tail: encoder.encode(file.record(0) + file.tail),
  }
  blocks.set(name, made)
  return made
}

function* chunksOf(name: string, megabytes: number): Generator<Uint8Array> {
  const { head, block, tail } = blockOf(name)
  if (head.length > 0) yield head
  for (let sent = 0; sent < megabytes * 1e6; sent += block.length)
    for (let start = 0; start < block.length; start += CHUNK_BYTES)
      yield block.subarray(start, start + CHUNK_BYTES)
  yield tail
}

type Way = (chunks: Iterable<Uint8Array>) => number | Promise<number>

const inspected =
  (options: () => Parameters<typeof createInspector>[0]): Way =>
  chunks => {
    const inspector = createInspector(options())
    for (const chunk of chunks) inspector.write(chunk)
    const { valid, examples, problems } = inspector.end()
    if (!valid) throw new Error(`the bench's own file is invalid: ${JSON.stringify(problems[0])}`)
    return examples
  }

/** Lines on their way out, encoded into memory that is used again, as copies do it. */
const encoded = () => {
  const encoder = new TextEncoder()
  const memory = new Uint8Array(64 << 10)
  let pending = ''
  return (line: string) => {
    pending += `${line}\n`
    if (pending.length < 8192) return
    encoder.encodeInto(pending, memory)
    pending = ''
  }
}

const WAYS: Record<string, Way> = {
  /** Lines split and parsed, as plainly as it is mostly written. */
  plain(chunks) {
    const decoder = new TextDecoder()
    let [rest, count] = ['', 0]
    for (const chunk of chunks) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        JSON.parse(line)
        count++
      }
    }
    return count
  },
  /** The same with the gateway's own line reader, in small bites: the fastest that is known. */
  floor(chunks) {
    let count = 0
    const reader = createLineReader(line => {
      JSON.parse(line)
      count++
    })
    for (const chunk of chunks)
      for (let start = 0; start < chunk.length; start += 8192)
        reader.write(chunk.subarray(start, start + 8192))
    reader.end()
    return count
  },
  /** The least that makes Gemini's lines of these: nothing is checked, and no other example would come out right. */
  least(chunks) {
    let count = 0
    const send = encoded()
    const reader = createLineReader(line => {
      const { messages } = JSON.parse(line) as ReturnType<typeof example>
      const contents = messages
        .slice(1)
        .map(({ role, content }) => ({ role: role === 'user' ? role : 'model', parts: [{ text: content }] }))
      send(JSON.stringify({ systemInstruction: { parts: [{ text: messages[0]?.content }] }, contents }))
      count++
    })
    for (const chunk of chunks) reader.write(chunk)
    reader.end()
    return count
  },
  validate: inspected(() => ({})),
  canonical: inspected(() => ({ onLine: encoded() })),
  gemini: inspected(() => ({ target: GEMINI, lines: 'target', onLine: encoded() })),
  async convert(chunks) {
    const iterator = chunks[Symbol.iterator]()
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const { value, done } = iterator.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
    })
    let size = 0
    for await (const piece of body.pipeThrough(convert(FORMATS.gemini))) size += piece.length
    return size
  },
}

// biome-ignore lint/style/noDefaultExport: workerd takes a Worker's handlers from the default export
export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url)
    const way = WAYS[pathname.slice(1)]
    if (!way) return new Response(null, { status: 404 })
    const count = await way(
      chunksOf(searchParams.get('file') ?? 'jsonl', Number(searchParams.get('megabytes'))),
    )
    return Response.json({ count })
  },
}
