/** Cloud Storage's objects, and the gateway's corner in a bucket. */
import * as z from 'zod'
import { ApiError } from '../../openai/index.ts'
import type { ProviderRequest, Settings } from '../provider.ts'
import type { ObjectName } from './gcs-uri.ts'
import { storageUrl } from './hosts.ts'

/** What the gateway puts into a bucket is together, apart from what else is there. */
export const PREFIX = 'tunegate/'

/** 64-bit integers are strings in Google's JSON. */
export const size = z.string().regex(/^\d+$/).transform(Number)
export const object = z.object({
  name: z.string(),
  bucket: z.string(),
  size,
  timeCreated: z.string(),
  md5Hash: z.string().optional(),
})
export const bucketOf = ({ bucket }: Settings): string => {
  if (bucket) return bucket
  throw new ApiError({
    status: 400,
    code: 'connection_unconfigured',
    message:
      'The connection has no bucket for datasets: set VERTEX_BUCKET, or bucket in tunegate.config.ts, or name files by their gs:// URIs.',
  })
}

export const toOne = (
  settings: Settings,
  method: 'GET' | 'DELETE',
  { bucket, object: name }: ObjectName,
  query: Record<string, string> = {},
): ProviderRequest => ({
  method,
  url: storageUrl(settings, 'objects', bucket, name, query),
  repeat: 'always',
})

/** `train.jsonl` → `train-1f0c….jsonl`: for a name that other bytes have. */
export const otherName = (name: string): string =>
  name.replace(/(\.[^./]*)?$/, extension => `-${crypto.randomUUID().slice(0, 8)}${extension}`)
