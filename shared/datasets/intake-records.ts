/**
 * What the gateway keeps of a large source while it is taken in, part by part. See `docs/storage.md`.
 * @module
 */
import type { ErrorCode } from '../openai/index.ts'
import { collection, dueEntry } from '../platform/index.ts'
import type { Leased } from './lease.ts'
import type { FileRecord, Segment } from './records.ts'

export interface IntakeRecord extends Leased {
  /** Of the file it becomes. */
  id: string
  owner: string
  /** Without its query, which may hold a secret. */
  uri: string
  has_query: boolean
  /** What a store is read with; null: a public address. */
  connection: { name: string; account: string } | null
  /** What it was when it was begun. */
  etag: string
  bytes: number
  /** Bytes of every part but the last. */
  part_bytes: number
  /** Parts that are in our bucket. */
  parts: number
  /** The request's field that pointed at it first. */
  param: string
  /** `taking`: its parts are read; `checking`: they are all here; `failed`: why is told to whoever points at it next. */
  state: 'taking' | 'checking' | 'failed'
  /** In a row. */
  failures: number
  error: { status: number; code: ErrorCode; message: string } | null
  /** When it is given up, Unix seconds, unless it gets further before. */
  ends_at: number
}

export const INTAKES = collection<IntakeRecord, 'due'>('intake', intake => intake.id, {
  due: { slot: 'a', entry: intake => dueEntry(intake.due_at, intake.id) },
})

/** Whether only who points at the source again can go on: what is to be read is known to nobody else. */
export const needsCaller = ({ has_query, state }: Pick<IntakeRecord, 'has_query' | 'state'>): boolean =>
  has_query && state === 'taking'

/** Where all of a source's bytes go. */
export const intakePrefix = ({ owner, id }: Pick<FileRecord, 'owner' | 'id'>) => `sources/${owner}/${id}/`

/** @param index from 0 */
export const intakePart = (
  intake: Pick<IntakeRecord, 'owner' | 'id' | 'bytes' | 'part_bytes'>,
  index: number,
): Segment => ({
  key: `${intakePrefix(intake)}part_${String(index + 1).padStart(5, '0')}`,
  bytes: Math.min(intake.part_bytes, intake.bytes - index * intake.part_bytes),
})

export const partCount = ({ bytes, part_bytes }: Pick<IntakeRecord, 'bytes' | 'part_bytes'>): number =>
  Math.ceil(bytes / part_bytes)
