/**
 * Where the deployment's bucket is when it is reached over S3's API: R2, S3, or anything that speaks it.
 * @module
 */
import { ApiError } from '../openai/index.ts'
import type { Environment, Secrets } from './ports.ts'
import { isBucketName } from './s3.ts'

export interface S3Settings {
  /** The endpoint; the bucket's name becomes part of the path. */
  url: string
  bucket: string
  region: string
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string | undefined
}

/** Variables, or secrets of the same name. */
export const S3_VARIABLES = {
  url: 'BUCKET_S3_URL',
  bucket: 'BUCKET_S3_BUCKET',
  region: 'BUCKET_S3_REGION',
  accessKeyId: 'BUCKET_S3_ACCESS_KEY_ID',
  secretAccessKey: 'BUCKET_S3_SECRET_ACCESS_KEY',
  sessionToken: 'BUCKET_S3_SESSION_TOKEN',
} as const satisfies Record<keyof S3Settings, string>

/** R2's one region. */
const STANDARD_REGION = 'auto'

const wrong = (field: keyof S3Settings, why: string) =>
  new ApiError({
    status: 500,
    code: 'connection_unconfigured',
    message: `The deployment's bucket: ${S3_VARIABLES[field]} ${why}.`,
  })

/**
 * Reads the settings. @returns undefined when there are none at all
 * @throws {ApiError} 500 naming the setting that is missing or wrong
 */
export const readS3Settings = async (
  environment: Environment,
  secrets: Secrets,
): Promise<S3Settings | undefined> => {
  const read = async (field: keyof S3Settings) =>
    environment.get(S3_VARIABLES[field]) ?? (await secrets.get(S3_VARIABLES[field]))
  const url = await read('url')
  if (url === undefined) return undefined
  if (!URL.canParse(url)) throw wrong('url', 'is not a URL')
  const need = async (field: keyof S3Settings) => {
    const value = await read(field)
    if (value === undefined) throw wrong(field, 'is missing')
    // What stands in a header must be printable: what is not would be quoted by the runtime's own error.
    if (!/^[\x21-\x7e]+$/.test(value)) throw wrong(field, 'holds a space or a line end')
    return value
  }
  const bucket = await need('bucket')
  if (!isBucketName(bucket)) throw wrong('bucket', 'is not the name of a bucket')
  return {
    url,
    bucket,
    region: (await read('region')) ?? STANDARD_REGION,
    accessKeyId: await need('accessKeyId'),
    secretAccessKey: await need('secretAccessKey'),
    sessionToken: await read('sessionToken'),
  }
}
