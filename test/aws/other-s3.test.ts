/**
 * The Bucket on an S3 that is none of ours, with a check of signatures of its own. Set `S3_TEST_URL`, with keys and a bucket in it:
 * `http://KEY:SECRET@127.0.0.1:7480/bucket`. CONTRIBUTING.md says how Ceph's comes to be there. Without it nothing is run.
 */
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { beforeAll, describe } from 'vitest'
import { createS3Bucket } from '../../shared/platform/index.ts'
import { bucketContract, presignContract } from '../support/contract.ts'

const given = process.env.S3_TEST_URL
const { origin, username, password, pathname } = new URL(given ?? 'http://key:secret@127.0.0.1/bucket')
const [region, bucket] = ['us-east-1', pathname.slice(1)]
const credentials = { accessKeyId: username, secretAccessKey: decodeURIComponent(password) }

const open = (now: () => number) =>
  createS3Bucket({
    settings: async () => ({ url: origin, bucket, region, ...credentials }),
    fetch,
    clock: { now, sleep: async () => undefined },
  })

describe.skipIf(given === undefined)('an S3 of another’s', () => {
  beforeAll(async () => {
    const client = new S3Client({ endpoint: origin, region, credentials, forcePathStyle: true })
    await client.send(new CreateBucketCommand({ Bucket: bucket })).catch((error: Error) => {
      if (!error.name.startsWith('BucketAlready')) throw error
    })
  })

  bucketContract(origin, () => open(Date.now))
  presignContract(origin, open)
})
