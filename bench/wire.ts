/**
 * A minimal HTTP/1.1 client on one keep-alive socket.
 *
 * Node's own client costs more CPU per request than workerd spends on proxying it; on a small machine the bench
 * would then measure the generator, and every ratio would drift to 1. This one writes a prepared buffer and reads
 * just enough of the answer to know where it ends.
 *
 * @module
 */
import { connect, type Socket } from 'node:net'

/** Where a response goes while it is being read. */
export interface Sink {
  /** Called for every piece of the body, transfer encoding removed. The buffer is only valid during the call. */
  body?(bytes: Buffer): void
}

/** What an exchange returns when the response has ended. */
export interface Answer {
  status: number
  /** Body bytes received. */
  bytes: number
}

const HEAD_END = Buffer.from('\r\n\r\n')
const NOTHING = Buffer.alloc(0)

type State = 'head' | 'length' | 'size' | 'data' | 'data-end' | 'trailer'

/** One connection, one exchange at a time. */
export class Wire {
  readonly #socket: Socket
  #rest: Buffer = NOTHING
  #state: State = 'head'
  #left = 0
  #answer: Answer = { status: 0, bytes: 0 }
  #sink: Sink = {}
  #pending: PromiseWithResolvers<Answer> | undefined
  #failure: Error | undefined

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', bytes => this.#read(bytes))
    socket.on('error', error => this.#fail(error))
    socket.on('close', () => this.#fail(new Error('connection closed before the response ended')))
  }

  /** Connects to a loopback port. */
  static open(port: number): Promise<Wire> {
    const { promise, resolve, reject } = Promise.withResolvers<Wire>()
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(new Wire(socket))
    })
    return promise
  }

  /**
   * Sends a complete request and reads its response to the end.
   *
   * @param request head and, if it fits in memory, body
   * @param upload further body pieces, pulled only as fast as the socket takes them
   * @throws Error when the connection breaks before the response has ended
   */
  exchange(request: Buffer, sink: Sink = {}, upload?: Iterable<Buffer>): Promise<Answer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    this.#sink = sink
    this.#state = 'head'
    this.#answer = { status: 0, bytes: 0 }
    const pending = Promise.withResolvers<Answer>()
    this.#pending = pending
    this.#socket.write(request)
    if (upload !== undefined) void this.#send(upload)
    return pending.promise
  }

  /** Leaves at once, in the middle of whatever is under way: what a closed browser tab looks like. */
  leave(): void {
    this.#pending?.promise.catch(() => undefined)
    this.#socket.destroy()
  }

  /** Leaves with a TCP reset, which unlike a mere end of sending cannot mean "I am still listening". */
  reset(): void {
    this.#pending?.promise.catch(() => undefined)
    this.#socket.resetAndDestroy()
  }

  async #send(pieces: Iterable<Buffer>): Promise<void> {
    for (const piece of pieces) {
      // An early answer (a refusal) ends the exchange; the rest of the body would only keep the line busy.
      if (this.#pending === undefined || this.#socket.destroyed) return
      if (this.#socket.write(piece)) continue
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#socket.once('drain', resolve)
      this.#socket.once('close', resolve)
      await promise
      this.#socket.off('drain', resolve)
      this.#socket.off('close', resolve)
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    this.#pending?.reject(this.#failure)
    this.#pending = undefined
  }

  #finish(): void {
    const pending = this.#pending
    this.#pending = undefined
    pending?.resolve(this.#answer)
  }

  #deliver(bytes: Buffer): void {
    this.#answer.bytes += bytes.length
    this.#sink.body?.(bytes)
  }

  #read(incoming: Buffer): void {
    let bytes = this.#rest.length === 0 ? incoming : Buffer.concat([this.#rest, incoming])
    this.#rest = NOTHING
    while (this.#pending !== undefined) {
      const used = this.#step(bytes)
      if (used < 0) break
      bytes = bytes.subarray(used)
    }
    this.#rest = this.#pending === undefined ? NOTHING : bytes
  }

  /** Consumes one element; returns how many bytes it took, or -1 when it needs more. */
  #step(bytes: Buffer): number {
    if (this.#state === 'head') return this.#head(bytes)
    if (this.#state === 'length' || this.#state === 'data') return this.#data(bytes)
    if (this.#state === 'data-end') {
      if (bytes.length < 2) return -1
      this.#state = 'size'
      return 2
    }
    const end = bytes.indexOf('\r\n')
    if (end < 0) return -1
    if (this.#state === 'trailer') {
      if (end === 0) this.#finish()
    } else {
      this.#left = Number.parseInt(bytes.toString('latin1', 0, end), 16)
      this.#state = this.#left === 0 ? 'trailer' : 'data'
    }
    return end + 2
  }

  #head(bytes: Buffer): number {
    const end = bytes.indexOf(HEAD_END)
    if (end < 0) return -1
    const text = bytes.toString('latin1', 0, end)
    const status = Number(text.slice(9, 12))
    if (status >= 200) {
      this.#answer.status = status
      const length = /\r\ncontent-length: *(\d+)/i.exec(text)?.[1]
      if (/\r\ntransfer-encoding: *chunked/i.test(text)) this.#state = 'size'
      else {
        this.#left = Number(length ?? 0)
        this.#state = 'length'
        if (this.#left === 0) this.#finish()
      }
    }
    return end + HEAD_END.length
  }

  #data(bytes: Buffer): number {
    if (bytes.length === 0) return -1
    const piece = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes
    this.#left -= piece.length
    this.#deliver(piece)
    if (this.#left === 0) {
      if (this.#state === 'length') this.#finish()
      else this.#state = 'data-end'
    }
    return piece.length
  }
}

/** Builds a request with a body that is already in memory, or of `length` bytes that follow. */
export function requestBytes(
  method: string,
  path: string,
  headers: Record<string, string>,
  body: string | { length: number } = '',
): Buffer {
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length
  const lines = [`${method} ${path} HTTP/1.1`, 'host: 127.0.0.1', `content-length: ${length}`]
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${typeof body === 'string' ? body : ''}`)
}

/** Sends one request on a connection of its own and returns status and text. */
export async function ask(port: number, request: Buffer): Promise<{ status: number; text: string }> {
  const wire = await Wire.open(port)
  const pieces: Buffer[] = []
  try {
    const { status } = await wire.exchange(request, { body: bytes => pieces.push(Buffer.from(bytes)) })
    return { status, text: Buffer.concat(pieces).toString('utf8') }
  } finally {
    wire.leave()
  }
}
