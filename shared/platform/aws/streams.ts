/**
 * Streams on Node. They are pulled, one chunk at a time, so that a slow reader slows the sender.
 * @module
 */
import type { BodyPiece, Platform } from '../ports.ts'

/** Nothing is read before it is asked for. */
const LAZY = { highWaterMark: 0 }

/** The lengths of bodies that know theirs: fetch has no other way to tell it. */
const sizes = new WeakMap<ReadableStream<Uint8Array>, number>()

async function* chunksOf(pieces: BodyPiece[], size: number): AsyncGenerator<Uint8Array> {
  let left = size
  for (const each of pieces) {
    const piece = typeof each === 'function' ? await each() : each
    for await (const chunk of piece instanceof ReadableStream ? piece : [piece]) {
      left -= chunk.length
      if (left < 0) throw new RangeError('The body is longer than it was announced.')
      yield chunk
    }
  }
  if (left > 0) throw new RangeError('The body is shorter than it was announced.')
}

export const sizedBody: Platform['sizedBody'] = (pieces, size) => {
  const chunks = chunksOf(pieces, size)
  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { value, done } = await chunks.next()
        if (done) controller.close()
        else controller.enqueue(value)
      },
      // The generator ends the piece it is in.
      cancel: async () => void (await chunks.return(undefined)),
    },
    LAZY,
  )
  sizes.set(body, size)
  return body
}

/**
 * The platform's fetch. A stream is sent with the length it was announced with, and follows no redirect by any means: to be able
 * to, Node would keep all of it in memory.
 */
export const fetchOutside: Platform['fetch'] = (input, init) => {
  const body = typeof input === 'string' ? null : input.body
  const size = body === null ? undefined : sizes.get(body)
  if (typeof input === 'string' || size === undefined) return fetch(input, init)
  const { method, url, headers: given, signal } = input
  const headers = new Headers(given)
  headers.set('content-length', String(size))
  return fetch(url, { method, headers, body, signal, redirect: 'error', duplex: 'half' } as RequestInit)
}

/** Bytes kept of the end of a relayed body. */
const TAIL_BYTES = 256

export const relay: Platform['relay'] = (body, atEnd) => {
  const reader = body.getReader()
  let tail: Uint8Array = new Uint8Array()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        let broken: { cause: unknown } | undefined
        try {
          const { value, done } = await reader.read()
          if (!done) {
            tail = Buffer.concat([tail, value.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES)
            return controller.enqueue(value)
          }
        } catch (cause) {
          broken = { cause }
        }
        const last = atEnd(tail, broken)
        if (last) controller.enqueue(last)
        controller.close()
      },
      cancel: reason => reader.cancel(reason),
    },
    LAZY,
  )
}
