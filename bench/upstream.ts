/**
 * The provider's stand-in: answers chat completions as fast as Node can write them, plain or streamed.
 *
 * It runs as a process of its own, so that neither the load generator's event loop nor the measured
 * workerd waits for it. The only thing it does besides answering is to remember, for each named stream, when
 * it wrote and when it was told that nobody listens any more.
 *
 * A request steers its answer through the `user` field, the one field of OpenAI's request that both
 * Workers forward untouched: `n=500,pace=0,wait=0,id=abc`.
 *
 * @module
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'

/** How one answer is to be given; the text form of it travels in the request's `user` field. */
export interface Script {
  /** Content events of a streamed answer. */
  n: number
  /** Milliseconds between two events; 0 writes as fast as the reader takes them. */
  pace: number
  /** Milliseconds before the response head. */
  wait: number
  /** Events in one write: more than 1 stands for an upstream that coalesces. */
  batch: number
  /** Name under which `GET /control/streams/<id>` reports; empty: nothing is kept. */
  id: string
}

/** What the upstream knows of one named stream; times are `process.hrtime` milliseconds, valid across processes. */
export interface StreamLog {
  writes: number[]
  closedAt: number | null
  finished: boolean
}

const MAX_LOGS = 1000

/** Writes a script the way {@link readScript} reads it. */
export function scriptText(script: Partial<Script>): string {
  return Object.entries(script)
    .map(([name, value]) => `${name}=${value}`)
    .join(',')
}

/** Milliseconds on the machine's monotonic clock, the same in every process. */
export function monotonic(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Asks the upstream what it knows of a stream; `null` before it has seen it. */
export async function readLog(port: number, id: string): Promise<StreamLog | null> {
  const response = await fetch(`http://127.0.0.1:${port}/control/streams/${id}`)
  return (await response.json()) as StreamLog | null
}

function readScript(body: string): Script {
  const script: Script = { n: 20, pace: 0, wait: 0, batch: 1, id: '' }
  const text = /"user"\s*:\s*"([^"]*)"/.exec(body)?.[1] ?? ''
  for (const pair of text.split(',')) {
    const [name, value = ''] = pair.split('=')
    if (name === 'id') script.id = value
    if (name === 'n' || name === 'pace' || name === 'wait' || name === 'batch') script[name] = Number(value)
  }
  return script
}

const PLAIN = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1790000000,
    model: 'gpt-4.1-mini-2025-04-14',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'The card is on its way and usually arrives within five working days. '.repeat(2).trim(),
          refusal: null,
          annotations: [],
        },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: {
      prompt_tokens: 31,
      completion_tokens: 24,
      total_tokens: 55,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    },
    service_tier: 'default',
    system_fingerprint: 'fp_bench',
  }),
)

const MODELS = JSON.stringify({
  object: 'list',
  data: [{ id: 'gpt-4.1-mini-2025-04-14', object: 'model', created: 1744317547, owned_by: 'system' }],
})

function event(delta: object, finish: string | null): string {
  const choices = [{ index: 0, delta, finish_reason: finish }]
  return `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1790000000, model: 'gpt-4.1-mini-2025-04-14', choices })}\n\n`
}

const CONTENT = event({ content: ' words' }, null)
const LAST = event({}, 'stop')
const USAGE = `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1790000000, model: 'gpt-4.1-mini-2025-04-14', choices: [], usage: { prompt_tokens: 31, completion_tokens: 24, total_tokens: 55 } })}\n\n`

/** Resolves when the socket takes more, or is gone: a writer that only waits for `drain` would hang on a closed one. */
function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const done = () => {
    response.off('drain', done)
    response.off('close', done)
    resolve()
  }
  response.once('drain', done)
  response.once('close', done)
  return promise
}

function serveChat(
  streams: Map<string, StreamLog>,
  body: string,
  response: ServerResponse,
): void | Promise<void> {
  const script = readScript(body)
  const streamed = /"stream"\s*:\s*true/.test(body)
  if (!streamed && script.wait === 0) {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': PLAIN.length })
    response.end(PLAIN)
    return
  }
  return serveSlowly(streams, script, streamed, /"include_usage"\s*:\s*true/.test(body), response)
}

async function serveSlowly(
  streams: Map<string, StreamLog>,
  script: Script,
  streamed: boolean,
  usage: boolean,
  response: ServerResponse,
): Promise<void> {
  const log: StreamLog = { writes: [], closedAt: null, finished: false }
  if (script.id !== '') {
    if (streams.size >= MAX_LOGS) streams.clear()
    streams.set(script.id, log)
  }
  response.once('close', () => {
    log.closedAt = monotonic()
  })
  if (script.wait > 0) await sleep(script.wait)
  if (response.destroyed) return
  if (!streamed) {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': PLAIN.length })
    response.end(PLAIN)
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' })
  const piece = CONTENT.repeat(script.batch)
  for (let sent = 0; sent < script.n && !response.destroyed; sent += script.batch) {
    const more = response.write(piece)
    if (script.id !== '') log.writes.push(monotonic())
    if (script.pace > 0) await sleep(script.pace)
    else if (more) await nextTurn()
    else await drained(response)
  }
  if (response.destroyed) return
  log.finished = true
  response.end(`${LAST}${usage ? USAGE : ''}data: [DONE]\n\n`)
}

function route(streams: Map<string, StreamLog>, request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? '/'
  if (request.method === 'POST' && path === '/v1/chat/completions') {
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      void serveChat(streams, body, response)
    })
    return
  }
  if (path === '/v1/models')
    return void response.writeHead(200, { 'content-type': 'application/json' }).end(MODELS)
  const named = /^\/control\/streams\/([^/]+)$/.exec(path)?.[1]
  if (named !== undefined) {
    const log = streams.get(named) ?? null
    return void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(log))
  }
  response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":{"message":"not here"}}')
}

/** Serves on a free loopback port and tells it to the parent, whose end is also this process's end. */
function main(): void {
  const streams = new Map<string, StreamLog>()
  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) =>
    route(streams, request, response),
  )
  server.listen(0, '127.0.0.1', () => {
    const address = server.address()
    if (address !== null && typeof address === 'object') process.send?.({ port: address.port })
  })
  process.on('disconnect', () => process.exit(0))
  // Ctrl-C reaches the whole process group; the parent needs this process until it has cleaned up.
  process.on('SIGINT', () => undefined)
}

if (import.meta.main) main()
