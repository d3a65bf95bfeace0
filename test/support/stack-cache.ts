import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** A directory for what stacks need to start: bundles and migrated databases are made once a run, not once a file. */
    stackCache: string
  }
}

export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const path = await mkdtemp(join(tmpdir(), 'tunegate-cache-'))
  project.provide('stackCache', path)
  return () => rm(path, { recursive: true })
}
