import { afterAll, beforeAll } from 'vitest'
import { TEMPORARY } from '../../sandbox/aws/account.ts'
import { type AwsPlatform, createAwsPlatform } from '../../shared/platform/aws/index.ts'
import { createS3Bucket } from '../../shared/platform/index.ts'
import { bucketContract, presignContract, storeContract } from '../support/contract.ts'
import { type AwsBench, startAwsBench } from './support.ts'

let bench: AwsBench
let platform: AwsPlatform
beforeAll(async () => {
  bench = await startAwsBench()
  platform = createAwsPlatform(bench.variables)
})
afterAll(() => Promise.all([bench.sandbox.close(), bench.services.close()]))

storeContract('DynamoDB (dynalite, signatures verified)', () => platform.store)
bucketContract('S3 (the sandbox’s, signatures verified), as a role', () => platform.bucket)
presignContract('S3, as a role', now => {
  const { s3Url: url, bucket, region } = bench.sandbox.aws
  return createS3Bucket({
    settings: async () => ({ url, bucket, region, ...TEMPORARY }),
    fetch,
    clock: { now, sleep: async () => undefined },
  })
})
