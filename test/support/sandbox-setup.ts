import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import type { AwsAccess } from '../../sandbox/aws/account.ts'
import { type Sandbox, startSandbox } from '../../sandbox/server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Answers each request with the origin of a new sandbox: workerd itself can start none. */
    sandboxes: string
    /** S3 for the gateway's own bucket: a sandbox of its own, which no test resets. */
    bucketAccess: AwsAccess
  }
}

/** Starts the sandboxes that tests inside workerd reach over loopback: one for each file, as files run side by side. */
export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const bucket = await startSandbox()
  const started: Sandbox[] = [bucket]
  const server = createServer(async (_request, response) => {
    const sandbox = await startSandbox()
    started.push(sandbox)
    response.end(sandbox.origin)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  project.provide('sandboxes', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  project.provide('bucketAccess', bucket.aws)
  return async () => {
    server.close()
    server.closeAllConnections()
    await Promise.all(started.map(sandbox => sandbox.close()))
  }
}
