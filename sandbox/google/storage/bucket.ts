/** One bucket's objects, in memory. */
import { createHash } from 'node:crypto'
import { crc32c } from './crc32c.ts'
import { invalid, preconditionFailed } from './errors.ts'

/** What a writer may say of an object. */
export interface Attributes {
  contentType: string
  fields: Record<string, unknown>
}

export interface StoredObject extends Attributes {
  name: string
  bytes: Buffer
  /** Grows with every write, across all objects. */
  generation: number
  createdAt: Date
  md5: string
  crc32c: string
}

/** `ifGenerationMatch` and `ifGenerationNotMatch`. */
export interface Preconditions {
  match?: number
  notMatch?: number
}

/** The checksums that a writer has announced. */
export interface Checksums {
  md5?: string
  crc32c?: string
}

export class Bucket {
  readonly name: string
  readonly #objects = new Map<string, StoredObject>()
  #generation = Date.now() * 1000

  constructor(name: string) {
    this.name = name
  }

  get size(): number {
    return this.#objects.size
  }

  get(name: string): StoredObject | undefined {
    return this.#objects.get(name)
  }

  /** By name, as the service lists them: in the order of their UTF-8 bytes. */
  list(): StoredObject[] {
    return [...this.#objects.values()].sort((a, b) =>
      Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)),
    )
  }

  /** @throws {StorageError} 412 */
  demand(name: string, { match, notMatch }: Preconditions): void {
    const generation = this.#objects.get(name)?.generation ?? 0
    if (match !== undefined && match !== generation) throw preconditionFailed()
    if (notMatch !== undefined && notMatch === generation) throw preconditionFailed()
  }

  /** @throws {StorageError} 400 if the bytes are not those that were announced */
  put(name: string, bytes: Buffer, attributes: Attributes, announced: Checksums = {}): StoredObject {
    const object: StoredObject = {
      ...attributes,
      name,
      bytes,
      generation: ++this.#generation,
      createdAt: new Date(),
      md5: createHash('md5').update(bytes).digest('base64'),
      crc32c: crc32c(bytes),
    }
    for (const sum of ['md5', 'crc32c'] as const) {
      const expected = announced[sum]
      if (expected !== undefined && expected !== object[sum]) {
        throw invalid(
          `Provided ${sum} hash "${expected}" doesn't match calculated ${sum} hash "${object[sum]}".`,
        )
      }
    }
    this.#objects.set(name, object)
    return object
  }

  delete(name: string): void {
    this.#objects.delete(name)
  }

  clear(): void {
    this.#objects.clear()
  }
}

/** The object resource. */
export function wireObject(bucket: Bucket, object: StoredObject, base: string) {
  const path = `${encodeURIComponent(bucket.name)}/o/${encodeURIComponent(object.name)}`
  const generation = String(object.generation)
  const time = object.createdAt.toISOString()
  return {
    ...object.fields,
    kind: 'storage#object',
    id: `${bucket.name}/${object.name}/${generation}`,
    selfLink: `${base}/storage/v1/b/${path}`,
    mediaLink: `${base}/download/storage/v1/b/${path}?generation=${generation}&alt=media`,
    name: object.name,
    bucket: bucket.name,
    generation,
    metageneration: '1',
    contentType: object.contentType,
    storageClass: 'STANDARD',
    size: String(object.bytes.byteLength),
    md5Hash: object.md5,
    crc32c: object.crc32c,
    etag: etagOf(object),
    timeCreated: time,
    updated: time,
    timeStorageClassUpdated: time,
    timeFinalized: time,
  }
}

export const etagOf = ({ generation }: StoredObject): string =>
  Buffer.from(String(generation)).toString('base64')
