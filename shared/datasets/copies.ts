/**
 * One dataset, many places: brings a file to where a job needs it, and takes a provider's own files in.
 * @module
 */
import type { Context } from '../context.ts'
import { badRequest, type FilePurpose } from '../openai/index.ts'
import { bytesToBase62 } from '../platform/index.ts'
import { type Connection, ProviderFault } from '../providers/index.ts'
import { MARK_BYTES, skipBytes } from './byte-order-mark.ts'
import { readFile } from './files.ts'
import { FILES, type FileRecord } from './records.ts'

/** Whether the account still has the file: it may have expired there, or been deleted by someone. */
const isThere = async ({ provider, channel }: Connection, nativeId: string): Promise<boolean> => {
  try {
    await provider.files.get(channel, nativeId)
    return true
  } catch (error) {
    if (error instanceof ProviderFault && error.status === 404) return false
    throw error
  }
}

/**
 * Makes sure that the connection's account has the file.
 * @param param the request's field that named it
 * @returns the provider's own id of it
 */
export const ensureCopy = async (
  context: Context,
  file: FileRecord,
  connection: Connection,
  param: string,
): Promise<string> => {
  const { name, account, provider, channel } = connection
  const existing = file.copies.find(copy => copy.account === account)
  if (existing && (await isThere(connection, existing.native_id))) return existing.native_id
  const limit = provider.capabilities.maxFileBytes
  if (file.bytes > limit) {
    throw badRequest(param, `The file has ${file.bytes} bytes; '${provider.id}' takes up to ${limit}.`)
  }
  const skipped = file.has_byte_order_mark ? MARK_BYTES : 0
  // Named by our id, so that a copy whose upload broke off can be told from others in the account.
  const { id } = await provider.files.upload(channel, {
    name: `${file.id}.jsonl`,
    purpose: file.purpose,
    // Providers refuse the mark that some editors put before the text.
    size: file.bytes - skipped,
    open: async () => (await readFile(context, file)).body.pipeThrough(skipBytes(skipped)),
  })
  await FILES.update(context.platform.store, file.id, value => ({
    ...value,
    copies: [
      ...value.copies.filter(copy => copy.account !== account),
      { connection: name, account, native_id: id },
    ],
  }))
  return id
}

/** The same file is always adopted under the same id, however often and from wherever it is asked for. */
const adoptedId = async (account: string, nativeId: string): Promise<string> => {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(`${account}\n${nativeId}`))
  return `file-${bytesToBase62(new Uint8Array(digest, 0, 24))}`
}

/** Takes a file that a provider made (a job's results) into the store. @returns our id of it. */
export const adoptFile = async (
  context: Context,
  owner: string,
  { name, account, provider, channel }: Connection,
  nativeId: string,
  purpose: FilePurpose,
): Promise<string> => {
  const id = await adoptedId(account, nativeId)
  const { filename, bytes, createdAt } = await provider.files.get(channel, nativeId)
  await FILES.create(context.platform.store, {
    id,
    owner,
    filename,
    purpose,
    bytes,
    created_at: createdAt,
    expires_at: null,
    deleted_at: null,
    bucket_key: null,
    examples: null,
    has_byte_order_mark: false,
    copies: [{ connection: name, account, native_id: nativeId }],
  })
  return id
}
