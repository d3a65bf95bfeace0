/**
 * The Bucket on S3, as the function's own role. `BUCKET_S3_URL` takes any other bucket over the same API, with keys of its own.
 * @module
 */
import type { Environment, Secrets } from '../ports.ts'
import { readS3Settings, type S3Settings } from '../s3-settings.ts'
import type { AwsCredentials } from './credentials.ts'
import { endpointOf, needed, regionOf } from './endpoints.ts'

export const readBucketSettings = async (
  environment: Environment,
  secrets: Secrets,
  credentials: () => Promise<AwsCredentials>,
): Promise<S3Settings | undefined> =>
  environment.get('BUCKET_S3_URL') === undefined
    ? {
        url: endpointOf(environment, 's3').href,
        bucket: needed(environment, 'TUNEGATE_BUCKET'),
        region: regionOf(environment),
        ...(await credentials()),
      }
    : readS3Settings(environment, secrets)
