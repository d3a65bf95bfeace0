import type { TestProject } from 'vitest/node'
import type { AwsAccess } from '../../sandbox/aws/account.ts'
import { startSandbox } from '../../sandbox/server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Origins of the sandboxes that tests inside workerd talk to: one for each file that runs at a time. */
    sandboxOrigins: string[]
    /** S3 for the gateway's own bucket: a sandbox of its own, which no test resets. */
    bucketAccess: AwsAccess
  }
}

/** Starts the sandboxes that tests inside workerd reach over loopback. */
export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const bucket = await startSandbox()
  const providers = await Promise.all(Array.from({ length: project.config.maxWorkers }, () => startSandbox()))
  project.provide('bucketAccess', bucket.aws)
  project.provide(
    'sandboxOrigins',
    providers.map(({ origin }) => origin),
  )
  return async () => void (await Promise.all([bucket, ...providers].map(sandbox => sandbox.close())))
}
