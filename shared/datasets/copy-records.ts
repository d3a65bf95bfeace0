/**
 * What the gateway keeps of a copy of a dataset at a provider, from its beginning to its deletion. See `docs/storage.md`.
 * @module
 */
import type { Context } from '../context.ts'
import type { ErrorCode, FilePurpose } from '../openai/index.ts'
import { bytesToBase62, collection, dueEntry } from '../platform/index.ts'
import type { DatasetFormat, TransferSession } from '../providers/index.ts'
import type { ChecksumState } from './checksum.ts'
import type { LineLoss } from './convert.ts'
import type { Leased } from './lease.ts'
import { FIRST_PART, type PartStart } from './parts.ts'
import type { FileCopy, FileRecord } from './records.ts'

/**
 * `surveying`: read to know what it becomes; `sending`: its parts are sent; `finishing`: they are put together and checked;
 * `failed`: why is told to whoever asks next; `deleting`: nothing is to be left of it.
 */
export type CopyState = 'surveying' | 'sending' | 'finishing' | 'done' | 'failed' | 'deleting'

/** A part of the converted dataset: where it comes from, and the MD5 it must have, base64. */
export interface SurveyedPart extends PartStart {
  md5: string
}

/** Where a copy is made from. What it was begun from it is gone on with from: each place has its bytes at other offsets. */
export interface Origin {
  /** Null: our bucket. */
  place: Pick<FileCopy, 'connection' | 'account' | 'native_id'> | null
  /** What its lines are. */
  form: DatasetFormat
  /** Whether they are the file's own, rather than a conversion read back. */
  is_original: boolean
  /** Bytes in this form. */
  bytes: number
}

export interface CopySurvey {
  /** Null before the survey has begun. */
  origin: Origin | null
  /** Where the reading goes on. */
  next: PartStart
  parts: SurveyedPart[]
  /** Bytes of every part but the last. */
  part_bytes: number
  /** Bytes of the converted dataset so far. */
  bytes: number
  examples: number
  /** The first of them. */
  losses: LineLoss[]
  loss_count: number
  /** MD5 of the whole: on its way, and at the end in hex. */
  checksum: ChecksumState | null
  md5: string | null
}

export interface CopyRecord extends Leased {
  owner: string
  /** What is copied: the SHA-256 of the bytes, or the id of the one file where that is not known. */
  content: string
  /** Files of the owner that have this content and use the copy. */
  files: string[]
  connection: string
  account: string
  /** Null for what a provider made itself. */
  format: DatasetFormat | null
  /** Its name at the provider. */
  name: string
  purpose: FilePurpose
  /** The request's field that asked for it first. */
  param: string
  /** Someone has asked for what the format has no place for to be left out. */
  drop_params: boolean
  /** Unix seconds. */
  created_at: number
  state: CopyState
  survey: CopySurvey
  /** The provider's upload session, while there is one. */
  session: TransferSession | null
  /** Parts that have arrived. */
  sent: number
  native_id: string | null
  /** Failures in a row; all parts sent anew because a session was gone. */
  failures: number
  restarts: number
  error: { status: number; code: ErrorCode; message: string; param: string | null } | null
}

export const COPIES = collection<CopyRecord, 'due' | 'content'>('copy', copy => copy.id, {
  due: { slot: 'a', entry: copy => dueEntry(copy.due_at, copy.id) },
  content: { slot: 'b', entry: copy => ({ partition: `${copy.owner}#${copy.content}`, sort: copy.id }) },
})

const NO_SURVEY: CopySurvey = {
  origin: null,
  next: FIRST_PART,
  parts: [],
  part_bytes: 0,
  bytes: 0,
  examples: 0,
  losses: [],
  loss_count: 0,
  checksum: null,
  md5: null,
}

/** A copy of which nothing has been done yet. */
export const UNTOUCHED = {
  state: 'surveying',
  survey: NO_SURVEY,
  session: null,
  sent: 0,
  native_id: null,
  failures: 0,
  restarts: 0,
  error: null,
  lease: null,
} as const satisfies Partial<CopyRecord>

/** Files of the same bytes have the same content. */
export const contentOf = ({ sha256, id }: Pick<FileRecord, 'sha256' | 'id'>): string => sha256 ?? id

/** One owner's copy of a content in an account and format is one record, whoever asks for it first. */
export const copyIdOf = async (
  owner: string,
  account: string,
  format: string,
  content: string,
): Promise<string> => {
  const name = [owner, account, format, content].join('\n')
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(name))
  return `copy-${bytesToBase62(new Uint8Array(digest, 0, 24))}`
}

/** More than one content has accounts and formats to be in. */
const MOST_COPIES = 1000

/** All copies of a file's content, in whatever state. */
export const listCopies = async ({ platform }: Context, file: FileRecord): Promise<CopyRecord[]> => {
  const { items } = await COPIES.list(platform.store, 'content', `${file.owner}#${contentOf(file)}`, {
    limit: MOST_COPIES,
  })
  return items
}

/** Where a finished copy is. */
export const placeOf = ({ connection, account, format, native_id }: CopyRecord): FileCopy[] =>
  native_id === null ? [] : [{ connection, account, format, native_id }]

/** Every place that has the file's content: what the provider made itself, and the finished copies. */
export const copiesOf = async (context: Context, file: FileRecord): Promise<FileCopy[]> => {
  const copies = await listCopies(context, file)
  return [...file.copies, ...copies.filter(({ state }) => state === 'done').flatMap(placeOf)]
}
