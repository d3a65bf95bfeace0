import { afterAll, beforeAll } from 'vitest'
import { type AwsPlatform, createAwsPlatform } from '../../shared/platform/aws/index.ts'
import { bucketContract, storeContract } from '../support/contract.ts'
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
