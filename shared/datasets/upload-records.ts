/**
 * What the gateway keeps of an upload in parts. The parts themselves are objects of the bucket and nothing more: one that is
 * there has arrived. See `docs/storage.md`.
 * @module
 */
import type { FilePurpose, UploadStatus } from '../openai/index.ts'
import { collection, dueEntry } from '../platform/index.ts'
import type { FileRecord } from './records.ts'

export interface UploadRecord {
  id: string
  owner: string
  filename: string
  purpose: FilePurpose
  mime_type: string
  /** What the file is to have. */
  bytes: number
  /** Unix seconds. */
  created_at: number
  expires_at: number
  /** How long the file is to live, in seconds; null: for ever. */
  file_seconds: number | null
  /** Bytes of each part but the last, where parts go straight to the bucket; null where they come through the gateway. */
  part_size: number | null
  status: UploadStatus
  /** SHA-256 of what was asked for when it was completed, hex: the same again is answered the same. */
  completed_by: string | null
  file_id: string | null
  /** The file as decided, until it is among the files: whoever finds it here puts it there. */
  unfiled: FileRecord | null
  /** When the schedule looks after it, in Unix seconds; null: never again. */
  due_at: number | null
}

export const UPLOADS = collection<UploadRecord, 'due'>('upload', upload => upload.id, {
  due: { slot: 'b', entry: upload => dueEntry(upload.due_at, upload.id) },
})

/** Where all parts of an upload are. */
export const prefixOf = ({ owner, id }: Pick<UploadRecord, 'owner' | 'id'>) => `uploads/${owner}/${id}/`
