/** Bytes, cut into chunks and put together again. */
import * as fc from 'fast-check'

export const utf8 = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

export const joined = (chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
  const all = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0))
  let offset = 0
  for (const chunk of chunks) {
    all.set(chunk, offset)
    offset += chunk.length
  }
  return all
}

/** The bytes in pieces: cut at these offsets, in any order and number. */
export const cutAt = (bytes: Uint8Array, offsets: readonly number[]): Uint8Array[] => {
  const inside = [...new Set(offsets)]
    .filter(offset => offset > 0 && offset < bytes.length)
    .sort((a, b) => a - b)
  return [0, ...inside].map((start, index) => bytes.slice(start, inside[index] ?? bytes.length))
}

/** Every way to cut the bytes in two, and the one of single bytes. */
export const everyCut = (bytes: Uint8Array): Uint8Array[][] => [
  ...Array.from({ length: bytes.length }, (_, offset) => cutAt(bytes, [offset])),
  Array.from(bytes, byte => Uint8Array.of(byte)),
]

/** Offsets at which to cut bytes of any length up to `longest`. */
export const cuts = (longest: number): fc.Arbitrary<number[]> =>
  fc.oneof(
    fc.array(fc.nat({ max: longest }), { maxLength: 12 }),
    fc.constant(Array.from({ length: longest }, (_, offset) => offset)),
  )

/** A stream of these chunks; then it ends, breaks off with `cause`, or says nothing more. */
export const streamOf = (
  chunks: readonly Uint8Array[],
  { ending = 'close', cause }: { ending?: 'close' | 'error' | 'stall'; cause?: unknown } = {},
): ReadableStream<Uint8Array> => {
  const waiting = [...chunks]
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = waiting.shift()
      if (next) return controller.enqueue(next)
      if (ending === 'close') controller.close()
      if (ending === 'error') controller.error(cause ?? new Error('connection reset'))
      return ending === 'stall' ? new Promise(() => undefined) : undefined
    },
  })
}

export const readAll = async (stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> => {
  const chunks: Uint8Array[] = []
  for (let reader = stream.getReader(); ; ) {
    const { value, done } = await reader.read()
    if (done) return joined(chunks)
    chunks.push(value)
  }
}

/** Bytes that stand in no UTF-8 text (RFC 3629). */
export const NOT_UTF8: Record<string, number[]> = {
  'a continuation alone': [0x80],
  'two continuations': [0xbf, 0xbf],
  'a start of two alone': [0xc3],
  'a start of three alone': [0xe6],
  'two bytes of three': [0xe6, 0xbc],
  'three bytes of four': [0xf0, 0x9f, 0x98],
  'overlong, two bytes': [0xc0, 0xaf],
  'overlong, three bytes': [0xe0, 0x80, 0xaf],
  'overlong, four bytes': [0xf0, 0x80, 0x80, 0xaf],
  'overlong NUL': [0xc0, 0x80],
  'a surrogate': [0xed, 0xa0, 0x80],
  'a pair of surrogates (CESU-8)': [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80],
  'beyond U+10FFFF': [0xf4, 0x90, 0x80, 0x80],
  'a start of five': [0xf8, 0x88, 0x80, 0x80, 0x80],
  'no UTF-8 at all': [0xff, 0xfe],
}
