/**
 * One dataset, many places: brings a file to where a job needs it.
 * @module
 */
import type { Context } from '../context.ts'
import { badRequest } from '../openai/index.ts'
import { type Connection, type DatasetFormat, ProviderFault } from '../providers/index.ts'
import { convert, type LineLoss, type Survey, survey } from './convert.ts'
import { readFile } from './files.ts'
import { FORMATS } from './formats/index.ts'
import { FILES, type FileCopy, type FileRecord } from './records.ts'

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

/** What a copy is for. */
export interface CopyWish {
  format: DatasetFormat
  /** Whether what the format has no place for is left out rather than refused. */
  dropParams: boolean
  /** The request's field that named the file. */
  param: 'training_file' | 'validation_file'
}

export interface Copy {
  /** The provider's own reference. */
  id: string
  /** What was left out on the way, for a warning; empty when the copy was there already. */
  dropped: LineLoss[]
}

const describe = ({ line, path, message }: LineLoss) => `line ${line}: ${path ? `${path} ` : ''}${message}`
/** Losses named in a refusal. */
const MOST_NAMED = 10

const refuseLosses = ({ losses, lossCount }: Survey, format: DatasetFormat, param: string) =>
  badRequest(
    param,
    `The dataset cannot be carried over into the format '${format}' (drop_params leaves out what cannot): ` +
      losses.slice(0, MOST_NAMED).map(describe).join('; ') +
      (lossCount > MOST_NAMED ? `; and ${lossCount - MOST_NAMED} more.` : '.'),
    'invalid_dataset',
  )

/**
 * Makes sure that the connection's account has the file in a format. What the conversion would lose is known, and refused,
 * before a byte is sent.
 * @throws {ApiError} 400 naming lines
 */
export const ensureCopy = async (
  context: Context,
  file: FileRecord,
  connection: Connection,
  { format, dropParams, param }: CopyWish,
): Promise<Copy> => {
  const { name, account, provider, channel } = connection
  const isSame = (copy: FileCopy) => copy.account === account && copy.format === format
  const existing = file.copies.find(isSame)
  const isTaken = existing && (dropParams || !existing.is_lossy)
  if (isTaken && (await isThere(connection, existing.native_id)))
    return { id: existing.native_id, dropped: [] }

  const open = async () => (await readFile(context, file)).body
  const found = await survey(await open(), FORMATS[format])
  if (found.lossCount > 0 && !dropParams) throw refuseLosses(found, format, param)
  if (found.examples === 0)
    throw badRequest(param, 'Nothing is left of the dataset to train on.', 'invalid_dataset')
  const limit = provider.capabilities.maxFileBytes
  if (found.bytes > limit) {
    throw badRequest(
      param,
      `The file has ${found.bytes} bytes as '${provider.id}' needs it, which takes up to ${limit}.`,
    )
  }
  const { id } = await provider.files.upload(channel, {
    // Named by our id, so that a copy whose upload broke off can be told from others in the account.
    name: `${file.id}.jsonl`,
    purpose: file.purpose,
    size: found.bytes,
    open: async () => (await open()).pipeThrough(convert(FORMATS[format])),
  })
  await FILES.update(context.platform.store, file.id, value => ({
    ...value,
    copies: [
      ...value.copies.filter(copy => !isSame(copy)),
      {
        connection: name,
        account,
        format,
        native_id: id,
        ...(found.lossCount > 0 && { is_lossy: true as const }),
      },
    ],
  }))
  return { id, dropped: found.losses }
}
