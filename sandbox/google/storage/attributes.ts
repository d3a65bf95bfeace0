/** What the writer of an object says about it, in JSON, in the query and in headers. */
import * as z from 'zod'
import { isRecord } from '../../openai/jsonl.ts'
import type { Attributes, Checksums, Preconditions } from './bucket.ts'
import { invalid, StorageError } from './errors.ts'

export interface Intent extends Attributes {
  name: string
  preconditions: Preconditions
  announced: Checksums
}

const resource = z.strictObject({
  name: z.string().optional(),
  bucket: z.string().optional(),
  contentType: z.string().optional(),
  contentEncoding: z.string().optional(),
  contentDisposition: z.string().optional(),
  contentLanguage: z.string().optional(),
  cacheControl: z.string().optional(),
  customTime: z.string().optional(),
  storageClass: z.string().optional(),
  temporaryHold: z.boolean().optional(),
  eventBasedHold: z.boolean().optional(),
  md5Hash: z.string().optional(),
  crc32c: z.string().optional(),
  metadata: z.record(z.string(), z.string()).optional(),
})

const LONGEST_NAME = 1024

/**
 * @param json the metadata part; empty if there is none
 * @throws {StorageError} 400
 */
export function intentOf(
  json: string,
  query: Record<string, string>,
  contentType: string | undefined,
): Intent {
  const { name, bucket: _, md5Hash, crc32c, contentType: own, ...fields } = parsed(json)
  const objectName = query.name ?? name ?? ''
  if (objectName === '') throw invalid('Required object name is missing.')
  if (Buffer.byteLength(objectName) > LONGEST_NAME || /[\r\n]/.test(objectName)) {
    throw invalid('Invalid object name.')
  }
  return {
    name: objectName,
    contentType: own ?? contentType ?? 'application/octet-stream',
    fields,
    preconditions: preconditionsOf(query),
    announced: { ...(md5Hash !== undefined && { md5: md5Hash }), ...(crc32c !== undefined && { crc32c }) },
  }
}

function parsed(json: string): z.infer<typeof resource> {
  if (json.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    throw new StorageError(400, 'parseError', 'Parse Error')
  }
  const result = resource.safeParse(isRecord(value) ? value : undefined)
  if (result.success) return result.data
  const [issue] = result.error.issues
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : issue?.path.join('.')
  throw invalid(`Invalid value for field '${unknown ?? ''}' of the object resource.`)
}

/** @throws {StorageError} 400 for what is no number */
export function preconditionsOf(query: Record<string, string>): Preconditions {
  const match = generation(query, 'ifGenerationMatch')
  const notMatch = generation(query, 'ifGenerationNotMatch')
  return { ...(match !== undefined && { match }), ...(notMatch !== undefined && { notMatch }) }
}

function generation(query: Record<string, string>, name: string): number | undefined {
  const text = query[name]
  if (text === undefined) return undefined
  if (!/^\d{1,16}$/.test(text)) throw invalid(`Invalid value for '${name}': ${text}`)
  return Number(text)
}

/** `x-goog-hash: crc32c=…,md5=…` */
export function hashHeader(value: string | undefined): Checksums {
  const sums = new Map(
    (value ?? '').split(',').map(pair => {
      const [, name = '', sum = ''] = /^\s*(crc32c|md5)=(\S+)\s*$/.exec(pair) ?? []
      return [name, sum] as const
    }),
  )
  const [md5, crc32c] = [sums.get('md5'), sums.get('crc32c')]
  return { ...(md5 && { md5 }), ...(crc32c && { crc32c }) }
}
