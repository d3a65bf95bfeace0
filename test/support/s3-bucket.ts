/**
 * The gateway's own bucket in the sandbox's S3.
 * @module
 */
import type { AwsAccess } from '../../sandbox/aws/account.ts'

/** The variables of a deployment whose bucket is reached over S3's API. */
export const bucketVariables = ({ s3Url, bucket, region, accessKeyId, secretAccessKey }: AwsAccess) => ({
  BUCKET_MODE: 's3',
  BUCKET_S3_URL: s3Url,
  BUCKET_S3_BUCKET: bucket,
  BUCKET_S3_REGION: region,
  BUCKET_S3_ACCESS_KEY_ID: accessKeyId,
  BUCKET_S3_SECRET_ACCESS_KEY: secretAccessKey,
})
