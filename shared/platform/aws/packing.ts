/**
 * A record's body in a DynamoDB item, which holds 400 KB at most: long ones are compressed, and what is longer still lies in
 * the bucket.
 * @module
 */
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import type { Bucket } from '../ports.ts'

/** The attributes that hold a body; one of them is there. */
export interface PackedBody {
  body?: { S: string }
  /** Base64 of a gzip. */
  zip?: { B: string }
  /** A key of the bucket; the object is a gzip. */
  far?: { S: string }
}

/** Bytes from which a body is compressed: one write unit is 1 KiB, and shorter ones gain little. */
const PLAIN = 8 * 1024
/** Bytes of a gzip that an item still holds, with room for keys and the rest. */
const MOST_IN_ITEM = 350 * 1024

const [zip, unzip] = [promisify(gzip), promisify(gunzip)]

/** Packs a body. @param putFar stores what an item cannot hold, and tells its key */
export const packBody = async (
  body: string,
  putFar: (packed: Uint8Array) => Promise<string>,
): Promise<PackedBody> => {
  if (body.length <= PLAIN && Buffer.byteLength(body) <= PLAIN) return { body: { S: body } }
  const packed = await zip(body)
  if (packed.length <= MOST_IN_ITEM) return { zip: { B: packed.toString('base64') } }
  return { far: { S: await putFar(packed) } }
}

/** @returns undefined where its object has gone: the record has been written again, or deleted */
export const unpackBody = async (
  bucket: Bucket,
  { body, zip: packed, far }: PackedBody,
): Promise<string | undefined> => {
  if (body) return body.S
  if (packed) return (await unzip(Buffer.from(packed.B, 'base64'))).toString('utf8')
  if (!far) return undefined
  const object = await bucket.get(far.S)
  if (!object) return undefined
  return (await unzip(Buffer.from(await new Response(object.body).arrayBuffer()))).toString('utf8')
}
