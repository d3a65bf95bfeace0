import type { TestProject } from 'vitest/node'
import type { AwsAccess } from '../../sandbox/aws/account.ts'
import { startSandbox } from '../../sandbox/server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Origin of the sandbox that tests inside workerd talk to. */
    sandboxOrigin: string
    /** S3 for the gateway's own bucket: a sandbox of its own, which no test resets. */
    bucketAccess: AwsAccess
  }
}

/** Starts the sandboxes that tests inside workerd reach over loopback. */
export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const sandboxes = await Promise.all([startSandbox(), startSandbox()])
  const [providers, bucket] = sandboxes
  project.provide('sandboxOrigin', providers.origin)
  project.provide('bucketAccess', bucket.aws)
  return async () => void (await Promise.all(sandboxes.map(sandbox => sandbox.close())))
}
