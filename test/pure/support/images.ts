/** Small real images, made by the formats' rules; what a header does not need is left out where a format allows. */
import { crc32, deflateSync } from 'node:zlib'
import { joined, utf8 } from './bytes.ts'

const uint = (value: number, bytes: number, isLittle = false): Uint8Array => {
  const made = Uint8Array.from(
    { length: bytes },
    (_, at) => Math.floor(value / 256 ** (bytes - 1 - at)) % 256,
  )
  return isLittle ? made.reverse() : made
}

/** Channels by PNG's colour types. */
export const PNG_CHANNELS: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }

const chunk = (type: string, data: Uint8Array) => {
  const body = joined([utf8(type), data])
  return joined([uint(data.length, 4), body, uint(crc32(body), 4)])
}

/** A whole PNG, black. @param colours PNG's colour type: 2 is RGB */
export const png = (width: number, height: number, colours = 2): Uint8Array => {
  const row = new Uint8Array(1 + width * (PNG_CHANNELS[colours] ?? 1))
  return joined([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk('IHDR', joined([uint(width, 4), uint(height, 4), Uint8Array.of(8, colours, 0, 0, 0)])),
    ...(colours === 3 ? [chunk('PLTE', Uint8Array.of(0, 0, 0))] : []),
    chunk('IDAT', deflateSync(joined(Array.from({ length: height }, () => row)))),
    chunk('IEND', new Uint8Array()),
  ])
}

const segment = (marker: number, data: Uint8Array) =>
  joined([Uint8Array.of(0xff, marker), uint(data.length + 2, 2), data])

/** A JPEG up to its scan. @param notes bytes before the frame, as a camera's notes and previews are; @param frame 0xc0 baseline, 0xc2 progressive */
export const jpeg = (
  width: number,
  height: number,
  { components = 3, notes = 0, frame = 0xc0 } = {},
): Uint8Array => {
  const MOST = 65_000
  const sizes = Array.from({ length: Math.ceil(notes / MOST) }, (_, at) => Math.min(MOST, notes - at * MOST))
  // What looks like a frame within notes is none.
  const noted = sizes.map(size =>
    segment(
      0xe1,
      Uint8Array.from({ length: size }, (_, at) => [0xff, 0xc0][at % 2] ?? 0),
    ),
  )
  const each = Array.from({ length: components }, (_, at) => Uint8Array.of(at + 1, 0x11, 0))
  return joined([
    Uint8Array.of(0xff, 0xd8),
    segment(0xe0, utf8('JFIF\0\x01\x01\0\0\x01\0\x01\0\0')),
    ...noted,
    segment(0xdb, new Uint8Array(65)),
    // A table of codes has a marker among those of frames.
    segment(0xc4, new Uint8Array(17)),
    segment(
      frame,
      joined([Uint8Array.of(8), uint(height, 2), uint(width, 2), Uint8Array.of(components), ...each]),
    ),
    segment(0xda, new Uint8Array(10)),
    Uint8Array.of(0xff, 0xd9),
  ])
}

const riff = (type: string, data: Uint8Array) =>
  joined([
    utf8('RIFF'),
    uint(data.length + 12, 4, true),
    utf8('WEBP'),
    utf8(type),
    uint(data.length, 4, true),
    data,
  ])

/** A WEBP up to its pixels, in one of its three kinds. */
export const webp = (width: number, height: number, kind: 'VP8 ' | 'VP8L' | 'VP8X' = 'VP8 '): Uint8Array => {
  const data = {
    'VP8 ': () => [Uint8Array.of(0x30, 1, 0, 0x9d, 1, 0x2a), uint(width, 2, true), uint(height, 2, true)],
    VP8L: () => [Uint8Array.of(0x2f), uint(width - 1 + (height - 1) * 2 ** 14, 4, true)],
    VP8X: () => [new Uint8Array(4), uint(width - 1, 3, true), uint(height - 1, 3, true)],
  }[kind]()
  return riff(kind, joined(data))
}

export const gif = (width: number, height: number): Uint8Array =>
  joined([utf8('GIF89a'), uint(width, 2, true), uint(height, 2, true), Uint8Array.of(0, 0, 0, 0x3b)])

export const dataUrl = (type: string, bytes: Uint8Array): string =>
  `data:${type};base64,${Buffer.from(bytes).toString('base64')}`
