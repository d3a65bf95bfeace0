/**
 * What the gateway keeps of a file. See `docs/storage.md`.
 * @module
 */
import type { FileObject, FilePurpose, SourceFormat } from '../openai/index.ts'
import { collection } from '../platform/index.ts'
import type { DatasetFormat } from '../providers/index.ts'

/** Longest file name kept, in characters. */
export const LONGEST_NAME = 255

/** Where else the same bytes are. Native ids mean something only within an account. */
export interface FileCopy {
  connection: string
  account: string
  /** What the bytes are there: our own, or a provider's format. Null for what a provider made itself. */
  format: DatasetFormat | null
  native_id: string
}

/** An object in our bucket. */
export interface Segment {
  key: string
  bytes: number
}

/** Where a file was taken from. */
export interface FileSource {
  /** Without its query, which may hold a secret. */
  uri: string
  /** What told this content from others there; null where nothing did. */
  etag: string | null
}

export interface FileRecord {
  id: string
  owner: string
  filename: string
  purpose: FilePurpose
  /** Bytes. */
  bytes: number
  /** Unix seconds. */
  created_at: number
  expires_at: number | null
  /** A tombstone: the id stays known, the bytes are gone. */
  deleted_at: number | null
  /** The bytes in our bucket, one object after the other; none when only a provider has them. */
  segments: Segment[]
  /** SHA-256 of the bytes, hex; null where they did not pass through the gateway. */
  sha256: string | null
  /** Lines of a training file, or null where it was not counted. */
  examples: number | null
  /** What a training file came as, where that was not the canonical JSONL that is kept. */
  source_format?: SourceFormat
  /** What a provider made itself, where it is; copies that the gateway makes are records of their own. */
  copies: FileCopy[]
  /** Only of a file that was pointed at rather than uploaded. */
  source?: FileSource
}

export const FILES = collection<FileRecord, 'owner' | 'purpose'>('file', file => file.id, {
  // Ids sort by age, so they are the cursor as well. A deleted file leaves the lists, not the store.
  owner: {
    slot: 'a',
    entry: file => (file.deleted_at === null ? { partition: file.owner, sort: file.id } : undefined),
  },
  purpose: {
    slot: 'b',
    entry: file =>
      file.deleted_at === null ? { partition: `${file.owner}#${file.purpose}`, sort: file.id } : undefined,
  },
})

export const toFileObject = ({
  id,
  bytes,
  created_at,
  expires_at,
  filename,
  purpose,
  source_format,
}: FileRecord): FileObject => ({
  id,
  object: 'file',
  bytes,
  created_at,
  ...(expires_at !== null && { expires_at }),
  filename,
  purpose,
  status: 'processed',
  ...(source_format && { tunegate: { source_format } }),
})
