/**
 * What the domain's tests stand on: the adapters of one platform over their engines, in the process of the tests.
 * @module
 */
import type { Platform } from '../../shared/platform/index.ts'

export interface Ground {
  /** Origin of the sandbox that stands in for the providers: of this file alone, which sets faults and resets. */
  sandboxOrigin: string
  /** @param variables beside those of the platform itself */
  createPlatform(variables: Record<string, unknown>): Platform
  /** Every record of a kind; of all kinds unless one is named. */
  records(kind?: string): Promise<Record<string, unknown>[]>
  /** Removes them. */
  forget(kind?: string): Promise<void>
  /** Keys of all objects in the bucket. */
  keys(): Promise<string[]>
}

export const isOnAws = process.env.TUNEGATE_PLATFORM === 'aws'

export const { ground } = isOnAws ? await import('./ground-aws.ts') : await import('./ground-cloudflare.ts')
