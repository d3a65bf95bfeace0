/** Buckets in memory. */
import { createHash } from 'node:crypto'
import { BUCKET } from '../account.ts'
import type { Checksums } from './checksums.ts'

export interface StoredObject {
  key: string
  bytes: Uint8Array<ArrayBuffer>
  /** With its quotes. */
  etag: string
  modified: Date
  /** Headers that come back as they were given: content type, metadata, encryption … */
  headers: Record<string, string>
  checksums: Checksums
}

export interface Part {
  number: number
  bytes: Uint8Array<ArrayBuffer>
  etag: string
  modified: Date
}

export interface MultipartUpload {
  id: string
  bucket: string
  key: string
  initiated: Date
  headers: Record<string, string>
  parts: Map<number, Part>
}

/** What pages of other origins may do. Origins and headers may hold one `*`. */
export interface CorsRule {
  origins: string[]
  methods: string[]
  headers: string[]
  exposed: string[]
  /** Seconds that a browser remembers the answer. */
  maxAge: number | undefined
}

export type Bucket = Map<string, StoredObject>

export interface BucketContents {
  objects: ReadonlyMap<string, StoredObject>
  /** Uploads that are neither completed nor aborted. */
  openUploads: number
}

const md5 = (bytes: Uint8Array): Buffer => createHash('md5').update(bytes).digest()

export const etagOf = (bytes: Uint8Array): string => `"${md5(bytes).toString('hex')}"`

/** A multipart object's tag: the MD5 of its parts' MD5s, and their number. */
export function etagOfParts(parts: readonly Part[]): string {
  const tags = parts.map(({ etag }) => Buffer.from(etag.replaceAll('"', ''), 'hex'))
  return `"${md5(Buffer.concat(tags)).toString('hex')}-${parts.length}"`
}

export class Store {
  readonly uploads = new Map<string, MultipartUpload>()
  /** Rules by bucket. */
  readonly cors = new Map<string, CorsRule[]>()
  readonly #buckets = new Map<string, Bucket>()

  /** Buckets of others, which are never cleared. */
  readonly #kept: readonly string[]

  constructor(kept: readonly string[] = []) {
    this.#kept = kept
    for (const name of kept) this.#buckets.set(name, new Map())
    this.clear()
  }

  /** Back to one empty bucket, beside those that are kept. */
  clear(): void {
    const isKept = (bucket: string) => this.#kept.includes(bucket)
    for (const [id, { bucket }] of this.uploads) if (!isKept(bucket)) this.uploads.delete(id)
    for (const name of [...this.cors.keys()]) if (!isKept(name)) this.cors.delete(name)
    for (const name of [...this.#buckets.keys()]) if (!isKept(name)) this.#buckets.delete(name)
    this.#buckets.set(BUCKET, new Map())
  }

  contents(name: string): BucketContents {
    return {
      objects: this.#buckets.get(name) ?? new Map(),
      openUploads: [...this.uploads.values()].filter(({ bucket }) => bucket === name).length,
    }
  }

  get buckets(): string[] {
    return [...this.#buckets.keys()]
  }

  bucket(name: string): Bucket | undefined {
    return this.#buckets.get(name)
  }

  /** Writes a whole object, as services within AWS do. */
  write(bucket: string, key: string, text: string, contentType: string): void {
    const bytes = new TextEncoder().encode(text)
    this.#buckets.get(bucket)?.set(key, {
      key,
      bytes,
      etag: etagOf(bytes),
      modified: new Date(),
      headers: { 'content-type': contentType },
      checksums: {},
    })
  }
}

/** `s3://bucket/key` → its halves, or undefined. */
export function parseS3Uri(uri: string): { bucket: string; key: string } | undefined {
  const match = /^s3:\/\/([a-z0-9][-.a-z0-9]{1,61}[a-z0-9])(?:\/(.*))?$/s.exec(uri)
  return match ? { bucket: match[1] ?? '', key: match[2] ?? '' } : undefined
}
