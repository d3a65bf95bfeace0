/**
 * What a job leaves in its output location when it is complete: metrics of each step, and of the validation.
 * @see https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-analyze.html
 * @module
 */
import { ApiError } from '../../openai/index.ts'
import type { S3Location } from '../../platform/index.ts'
import { type Channel, ProviderFault } from '../provider.ts'
import { parseS3Uri, s3Uri } from './hosts.ts'
import { listingOf, toList, xmlOf } from './s3.ts'

/** A job's folder below its output location. Its other contents are models and logs of Bedrock's own. */
export const folderOf = (outputUri: string, jobId: string): S3Location | undefined =>
  parseS3Uri(`${outputUri.replace(/\/+$/, '')}/model-customization-job-${jobId}/`)

/** `step_wise_training_metrics.csv`, `validation_metrics.csv`. */
const isMetrics = (key: string) => /\/(?:step_wise_training|validation)_metrics\.csv$/.test(key)

/** Files of one job; there are a handful. */
const MOST_FILES = 1000

/** Whether a failure will still be one tomorrow: no right to read there, no key for S3 at all. */
const isLasting = (error: unknown) =>
  error instanceof ApiError ||
  (error instanceof ProviderFault && [401, 403, 404].includes(Number(error.status)))

/**
 * References of the metrics files. Without access to them there are none: the job has succeeded all the same. What passes (a
 * time-out, a 503) is thrown, so that it is asked again.
 */
export const resultFiles = async (channel: Channel, outputUri: string, jobId: string): Promise<string[]> => {
  const folder = folderOf(outputUri, jobId)
  if (!folder) return []
  try {
    const request = toList(channel.settings, folder.bucket, folder.key, MOST_FILES)
    const { items } = listingOf(xmlOf(await channel.call(request)))
    return items.filter(({ key }) => isMetrics(key)).map(({ key }) => s3Uri({ bucket: folder.bucket, key }))
  } catch (error) {
    if (isLasting(error)) return []
    throw error
  }
}
