/** `gs://bucket/object`: how Vertex AI names a dataset. */
import { badRequest } from '../../openai/index.ts'

export interface ObjectName {
  bucket: string
  object: string
}

/** A bucket's name is letters, digits, dots, dashes and underscores; an object's is nearly anything. */
const URI = /^gs:\/\/([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])\/(.+)$/s

export const gcsUri = ({ bucket, object }: ObjectName): string => `gs://${bucket}/${object}`

export const parseGcsUri = (uri: string): ObjectName => {
  const [, bucket, object] = URI.exec(uri) ?? []
  if (bucket !== undefined && object !== undefined) return { bucket, object }
  throw badRequest('file_id', `'${uri}' is no Cloud Storage URI: gs://bucket/object.`)
}
