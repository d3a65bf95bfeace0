/**
 * Datasets by what a request calls them: a file's id, or an address.
 * @module
 */
import type { Context } from '../context.ts'
import { badRequest } from '../openai/index.ts'
import { findFile, readFile } from './files.ts'

export interface OpenDataset {
  body: ReadableStream<Uint8Array>
  /** Bytes, where they are known beforehand. */
  size: number | undefined
}

const ADDRESS = /^(s3|gs|https):\/\//

/** @throws {ApiError} 400 or 404 naming the field */
export const openDataset = async (
  context: Context,
  owner: string,
  reference: string,
  param: string,
): Promise<OpenDataset> => {
  if (ADDRESS.test(reference))
    throw badRequest(
      param,
      'Datasets at an address are not read here: upload the file and name its id.',
      'feature_unsupported',
    )
  return readFile(context, await findFile(context, owner, reference, param))
}
