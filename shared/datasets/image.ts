/**
 * An image within an example: at an address or by value, and what its first bytes tell of one by value.
 * @module
 */
import { imageDimensionsFromData } from 'image-dimensions'
import { fromBase64 } from '../openai/index.ts'
import type { ContentPart } from './formats/format.ts'

/** In pixels, as stored: a turn by EXIF makes no difference to any rule here. */
export interface ImageSize {
  width: number
  height: number
}

/** How pixels are stored. `RGB` and `RGBA` are what providers take; the others are told by their names. */
export type Colours = 'RGB' | 'RGBA' | 'greyscale' | 'greyscale with alpha' | 'palette' | 'CMYK'

/** What an image's header says. */
export interface ImageHeader {
  /** Media type by the first bytes. */
  type: string
  /** Undefined where what stands before it goes on beyond {@link HEADER_LENGTHS}. */
  size: ImageSize | undefined
  colours: Colours | undefined
}

/** An image in a base64 data URL. */
export interface InlineImage {
  /** The media type that the data URL names. */
  declared: string
  /** Bytes of the image, from the length of its base64; undefined where that is broken. */
  bytes: number | undefined
  /** Undefined where the bytes are no image. */
  header: ImageHeader | undefined
}

const DATA_URL = /^data:([\w.+-]+\/[\w.+-]+);base64,/

/**
 * Characters of base64 that are decoded: nearly every header is within the first, and a JPEG's behind a photograph's notes, profiles and
 * previews within the last.
 */
const HEADER_LENGTHS = [1024, 16 * 1024, 512 * 1024]

/** Bytes that base64 stands for, without decoding it; undefined for what is none, by RFC 4648: padded, and nothing between. */
const bytesOf = (url: string, start: number): number | undefined => {
  const other = /[^A-Za-z0-9+/]/g
  other.lastIndex = start
  const end = other.exec(url)?.index ?? url.length
  const padding = url.length - end
  const isWhole = (url.length - start) % 4 === 0 && padding <= 2 && url.endsWith('='.repeat(padding))
  return isWhole ? ((url.length - start) / 4) * 3 - padding : undefined
}

/** A PNG's colour type, behind its size. @see https://www.w3.org/TR/png-3/#11IHDR */
const PNG_COLOURS: Readonly<Record<number, Colours>> = {
  0: 'greyscale',
  2: 'RGB',
  3: 'palette',
  4: 'greyscale with alpha',
  6: 'RGBA',
}
const PNG_COLOUR_TYPE = 25
/** A JPEG's components. @see https://www.w3.org/Graphics/JPEG/itu-t81.pdf B.2.2 */
const JPEG_COLOURS: Readonly<Record<number, Colours>> = { 1: 'greyscale', 3: 'RGB', 4: 'CMYK' }

const isFrame = (marker: number) =>
  marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker)

/** How many components a JPEG's frame has. Each segment begins with its marker and its length. */
const jpegComponents = (bytes: Uint8Array): number | undefined => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 2; at + 9 < bytes.length; ) {
    const marker = view.getUint16(at)
    // Behind the length: the precision, height and width.
    if (isFrame(marker)) return bytes[at + 9]
    // What is no marker, or fills up before one.
    if (marker <= 0xff01 || marker === 0xffff) at++
    else at += 2 + view.getUint16(at + 2)
  }
  return undefined
}

const coloursOf = (type: string, bytes: Uint8Array): Colours | undefined => {
  if (type === 'png') return PNG_COLOURS[bytes[PNG_COLOUR_TYPE] ?? -1]
  if (type === 'jpeg') return JPEG_COLOURS[jpegComponents(bytes) ?? -1]
  // Others have red, green and blue alone.
  return type === 'webp' ? 'RGB' : undefined
}

const isJpeg = (bytes: Uint8Array) => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff

const headerOf = (url: string, start: number): ImageHeader | undefined => {
  for (const length of HEADER_LENGTHS) {
    const bytes = fromBase64(url.slice(start, start + length))
    const found = imageDimensionsFromData(bytes)
    if (found) {
      const { type, width, height } = found
      if (width === 0 || height === 0) return undefined
      return { type: `image/${type}`, size: { width, height }, colours: coloursOf(type, bytes) }
    }
    // Only a JPEG has what may be long before its size.
    if (!isJpeg(bytes) || start + length >= url.length) return undefined
  }
  return { type: 'image/jpeg', size: undefined, colours: undefined }
}

/** Of an image by value no more is decoded than its header; undefined where the URL is none of base64 data. */
const readInline = (url: string): InlineImage | undefined => {
  const [prefix, declared] = DATA_URL.exec(url) ?? []
  if (prefix === undefined || declared === undefined) return undefined
  const bytes = bytesOf(url, prefix.length)
  return { declared, bytes, header: bytes === undefined ? undefined : headerOf(url, prefix.length) }
}

/** What is known of the parts at hand: several rules look at the same, and the counter of tokens. */
const known = new WeakMap<ContentPart, InlineImage>()

/** The image of a part, where it is given by value in base64. */
export const inlineOf = (part: ContentPart): InlineImage | undefined => {
  // As it is written: still to be checked.
  const url: unknown = part.image_url?.url
  const found = known.get(part) ?? (typeof url === 'string' ? readInline(url) : undefined)
  if (found) known.set(part, found)
  return found
}
