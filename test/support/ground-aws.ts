/** DynamoDB by dynalite, SQS by fauxqs, and S3 by a sandbox of its own; the signatures of all calls are checked. */
import { afterAll } from 'vitest'
import { keptBy } from '../../sandbox/aws-platform/kept.ts'
import { startAwsServices } from '../../sandbox/aws-platform/services.ts'
import { startSandbox } from '../../sandbox/server.ts'
import { createAwsPlatform } from '../../shared/platform/aws/index.ts'
import { functionVariables } from '../aws/support.ts'
import type { Ground } from './ground.ts'
import { bucketVariables } from './s3-bucket.ts'

const [providers, bucket, services] = await Promise.all([startSandbox(), startSandbox(), startAwsServices()])
afterAll(async () => void (await Promise.all([providers, bucket, services].map(each => each.close()))))

const contents = () => bucket.contents(bucket.aws.bucket)
const kept = keptBy(services, contents)
const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, ...places } = functionVariables(
  providers,
  services,
)
const role = { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN }
const own = { ...places, ...bucketVariables(bucket.aws) }

export const ground: Ground = {
  sandboxOrigin: providers.origin,
  // The environment's keys are the role's: those of a test have no session.
  createPlatform: variables =>
    createAwsPlatform({
      ...('AWS_ACCESS_KEY_ID' in variables ? {} : role),
      ...variables,
      ...own,
    } as Record<string, string>),
  records: kept.records,
  forget: services.forget,
  keys: async () => [...contents().objects.keys()],
}
