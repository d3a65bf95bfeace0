/**
 * Datasets by what a request calls them: a file's id, or an address.
 * @module
 */
import type { Context } from '../context.ts'
import { findFile } from './files.ts'
import { readFile } from './origins.ts'
import { isSource, openSource } from './sources.ts'

export interface OpenDataset {
  body: ReadableStream<Uint8Array>
  /** Bytes, where they are known beforehand. */
  size: number | undefined
}

/** @throws {ApiError} 400, 403 or 404 naming the field */
export const openDataset = async (
  context: Context,
  owner: string,
  reference: string,
  param: string,
): Promise<OpenDataset> =>
  isSource(reference)
    ? openSource(context, reference, param, undefined)
    : readFile(context, await findFile(context, owner, reference, param))
