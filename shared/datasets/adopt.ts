/**
 * Takes a provider's own files in: what a job has made, and what a caller names by the provider's id.
 * @module
 */
import type { Context } from '../context.ts'
import { badRequest, type FileObject, type FilePurpose } from '../openai/index.ts'
import { bytesToBase62, type Page, type PageQuery } from '../platform/index.ts'
import {
  type Connection,
  type DatasetFormat,
  itemsAfter,
  listedConnection,
  mayAdopt,
  type NativeFile,
  nativeKey,
  pageOf,
  unlessMissing,
} from '../providers/index.ts'
import { FILES, type FileRecord, toFileObject } from './records.ts'

/** The same file is always adopted under the same id, however often and from wherever it is asked for. */
const adoptedId = async (connection: Connection, nativeId: string): Promise<string> => {
  const key = new TextEncoder().encode(nativeKey(connection, nativeId))
  const digest = await crypto.subtle.digest('SHA-256', key)
  return `file-${bytesToBase62(new Uint8Array(digest, 0, 24))}`
}

const PURPOSES: readonly string[] = ['assistants', 'batch', 'fine-tune', 'fine-tune-results']
const isPurpose = (purpose: string): purpose is FilePurpose => PURPOSES.includes(purpose)

/** Objects in a bucket have no purpose: they are taken for datasets. */
const purposeOf = ({ purpose = 'fine-tune' }: Pick<NativeFile, 'purpose'>): FilePurpose => {
  if (isPurpose(purpose)) return purpose
  throw badRequest(
    'file_id',
    `A file with the purpose '${purpose}' is not taken in; only ${PURPOSES.join(', ')}.`,
    'file_purpose_invalid',
  )
}

/** Whose lines are OpenAI's trains on its own files as they are. Of others only their provider knows what is in them. */
const formatOf = ({ provider }: Connection, purpose: FilePurpose): DatasetFormat | null => {
  const format = provider.formatOf('', 'supervised')
  return purpose === 'fine-tune' && format.startsWith('openai') ? format : null
}

type Found = Omit<NativeFile, 'id'>

const toRecord = async (
  owner: string,
  connection: Connection,
  nativeId: string,
  { filename, bytes, createdAt }: Found,
  purpose: FilePurpose,
): Promise<FileRecord> => ({
  id: await adoptedId(connection, nativeId),
  owner,
  filename,
  purpose,
  bytes,
  created_at: createdAt,
  expires_at: null,
  deleted_at: null,
  segments: [],
  sha256: null,
  examples: null,
  copies: [
    {
      connection: connection.name,
      account: connection.account,
      format: formatOf(connection, purpose),
      native_id: nativeId,
    },
  ],
})

/** Takes a file that a provider made (a job's results) into the store. @returns our id of it. */
export const adoptFile = async (
  context: Context,
  owner: string,
  connection: Connection,
  nativeId: string,
  purpose: FilePurpose,
): Promise<string> => {
  const found = await connection.provider.files.get(connection.channel, nativeId)
  const record = await toRecord(owner, connection, nativeId, found, purpose)
  await FILES.create(context.platform.store, record)
  return record.id
}

/** Copies are named by the file they are copies of; a second of the same name has something added. */
const COPY_NAME = /^(file-[0-9A-Za-z]+)(?:-[0-9a-f]{8})?\.jsonl$/

/**
 * Whether an owner may have a file that its provider knows. Copies are their files' owners'. What a job has made comes with
 * the job: under shared credentials its id alone does not say whose it is.
 */
const isFree = async (
  context: Context,
  owner: string,
  { name, account }: Connection,
  { filename, purpose }: Found,
): Promise<boolean> => {
  if (purpose === 'fine-tune-results' && account === name) return false
  const [, original] = COPY_NAME.exec(filename) ?? []
  const file = original === undefined ? undefined : await FILES.get(context.platform.store, original)
  return file === undefined || file.value.owner === owner
}

/**
 * The file that a provider has under an id of its own, as the owner's from now on.
 * @returns undefined when there is none, or it is not theirs to have
 */
export const adoptNamedFile = async (
  context: Context,
  owner: string,
  connection: Connection,
  nativeId: string,
): Promise<FileRecord | undefined> => {
  const { store } = context.platform
  const id = await adoptedId(connection, nativeId)
  const known = (await FILES.get(store, id))?.value
  if (known && known.owner !== owner) return undefined
  if (known?.deleted_at === null) return known
  if (!mayAdopt(context, connection)) return undefined
  const found = await unlessMissing(connection.provider.files.get(connection.channel, nativeId))
  if (!found || !(await isFree(context, owner, connection, found))) return undefined
  const record = await toRecord(owner, connection, nativeId, found, purposeOf(found))
  // What was deleted, and is there again, is another file under the old name.
  if (known) return FILES.update(store, id, () => record)
  await FILES.create(store, record)
  const stored = (await FILES.get(store, id))?.value
  return stored?.owner === owner ? stored : undefined
}

/** A page of the files that a provider itself has, by its own ids; those of other owners are left out. Nothing is taken in. */
export const listNativeFiles = async (
  context: Context,
  owner: string,
  { provider, purpose, after, limit }: PageQuery & { provider: string; purpose?: string | undefined },
): Promise<Page<FileObject>> => {
  const connection = await listedConnection(context, provider)
  const { files } = connection.provider
  const listed = {
    paging: files.paging,
    list: (page: Parameters<typeof files.list>[1]) => files.list(connection.channel, page),
  }
  const mayBeShown = async (file: NativeFile): Promise<boolean> => {
    if (purpose !== undefined && (file.purpose ?? 'fine-tune') !== purpose) return false
    const adopted = await FILES.get(context.platform.store, await adoptedId(connection, file.id))
    return (
      (adopted === undefined || adopted.value.owner === owner) && isFree(context, owner, connection, file)
    )
  }
  const { items, hasMore } = await pageOf(itemsAfter(listed, after), limit, mayBeShown)
  const records = await Promise.all(
    items.map(({ id, ...file }) => toRecord(owner, connection, id, file, purposeOf(file))),
  )
  return {
    items: records.map((record, index) => ({ ...toFileObject(record), id: items[index]?.id ?? record.id })),
    hasMore,
  }
}
