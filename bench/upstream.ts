/**
 * The providers' stand-in: answers chat completions as fast as Node can write them, plain or streamed.
 *
 * It runs as a process of its own, so that neither the load generator's event loop nor the measured
 * workerd waits for it. The only thing it does besides answering is to remember, for each named stream, when
 * it wrote and when it was told that nobody listens any more.
 *
 * A request steers its answer through a text that both Workers forward untouched, such as
 * `n=500,pace=0,wait=0,id=abc`: in the field `user`, or in `stop`, which has a place on every provider's wire.
 *
 * @module
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { type Answers, answersAt, MODELS } from './answers.ts'
import { serveDestination } from './destination.ts'
import { serveSource } from './source.ts'

/** How one answer is to be given; the text form of it travels in the request. */
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

interface State {
  streams: Map<string, StreamLog>
  tokenCalls: number
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

/** How often the upstream was asked for an access token so far. */
export async function tokenCalls(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/control/tokens`)
  return Number(await response.text())
}

function readScript(body: string): Script {
  const script: Script = { n: 20, pace: 0, wait: 0, batch: 1, id: '' }
  const text = /"((?:n|pace|wait|batch|id)=[^"]*)"/.exec(body)?.[1] ?? ''
  for (const pair of text.split(',')) {
    const [name, value = ''] = pair.split('=')
    if (name === 'id') script.id = value
    if (name === 'n' || name === 'pace' || name === 'wait' || name === 'batch') script[name] = Number(value)
  }
  return script
}

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

function servePlain({ plain }: Answers, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': plain.length })
  response.end(plain)
}

function serveChat(
  state: State,
  { answers, streamed: named }: NonNullable<ReturnType<typeof answersAt>>,
  body: string,
  response: ServerResponse,
): void | Promise<void> {
  const script = readScript(body)
  const streamed = named ?? /"stream"\s*:\s*true/.test(body)
  if (!streamed && script.wait === 0) return servePlain(answers, response)
  return serveSlowly(state, script, answers, streamed, /"include_usage"\s*:\s*true/.test(body), response)
}

async function serveSlowly(
  { streams }: State,
  script: Script,
  answers: Answers,
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
  if (!streamed) return servePlain(answers, response)
  response.writeHead(200, { 'content-type': answers.type, 'cache-control': 'no-cache' })
  if (answers.first.length > 0) response.write(answers.first)
  const piece = Buffer.concat(Array.from({ length: script.batch }, () => answers.content))
  for (let sent = 0; sent < script.n && !response.destroyed; sent += script.batch) {
    const more = response.write(piece)
    if (script.id !== '') log.writes.push(monotonic())
    if (script.pace > 0) await sleep(script.pace)
    else if (more) await nextTurn()
    else await drained(response)
  }
  if (response.destroyed) return
  log.finished = true
  response.end(answers.last(usage))
}

function route(state: State, request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? '/'
  const json = { 'content-type': 'application/json' }
  const asked = request.method === 'POST' ? answersAt(path) : null
  if (asked !== null) {
    if (!request.headers.authorization?.startsWith(asked.answers.authorization))
      return void response.writeHead(401, json).end('{"error":{"message":"not authorised"}}')
    let body = ''
    request.setEncoding('utf8')
    request.on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      void serveChat(state, asked, body, response)
    })
    return
  }
  if (serveDestination(request, path, response)) return
  if (serveSource(request, path, response)) return
  if (path === '/v1/models') return void response.writeHead(200, json).end(MODELS)
  if (path === '/google/token') {
    state.tokenCalls++
    const token = { access_token: `bench-${state.tokenCalls}`, expires_in: 3600, token_type: 'Bearer' }
    return void response.writeHead(200, json).end(JSON.stringify(token))
  }
  if (path === '/control/tokens') return void response.writeHead(200, json).end(String(state.tokenCalls))
  const named = /^\/control\/streams\/([^/]+)$/.exec(path)?.[1]
  if (named !== undefined) {
    const log = state.streams.get(named) ?? null
    return void response.writeHead(200, json).end(JSON.stringify(log))
  }
  response.writeHead(404, json).end('{"error":{"message":"not here"}}')
}

/** Serves on a free loopback port and tells it to the parent, whose end is also this process's end. */
function main(): void {
  const state: State = { streams: new Map(), tokenCalls: 0 }
  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) =>
    route(state, request, response),
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
