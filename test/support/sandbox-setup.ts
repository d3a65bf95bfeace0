import type { TestProject } from 'vitest/node'
import { startSandbox } from '../../sandbox/server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Origin of the sandbox that tests inside workerd talk to. */
    sandboxOrigin: string
  }
}

/** Starts the sandbox that tests inside workerd reach over loopback. */
export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const sandbox = await startSandbox()
  project.provide('sandboxOrigin', sandbox.origin)
  return () => sandbox.close()
}
