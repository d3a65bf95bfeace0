/** The soak of jobs once more with DynamoDB for a store, which loses answers, fails and throttles as well. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { startAwsServices } from '../../sandbox/aws-platform/services.ts'
import { startSandbox } from '../../sandbox/server.ts'
import { createAwsPlatform } from '../../shared/platform/aws/index.ts'
import { createDynamoStore } from '../../shared/platform/aws/store.ts'
import { soak } from '../pure/support/soak.ts'
import { clientOf, functionVariables, hastyClock } from './support.ts'

/** `npm run soak` sets more. */
const SEEDS = Number(process.env.SOAK_SEEDS_AWS ?? 1)
const JOBS = 40

const TROUBLES = [
  ['UpdateItem', 'lost'],
  ['UpdateItem', 'lost-500'],
  ['UpdateItem', 'broken'],
  ['UpdateItem', 'throttled'],
  ['GetItem', 'broken'],
  ['Query', 'throttled'],
] as const

describe(`${JOBS} jobs under kills and faults, on DynamoDB`, () => {
  afterEach(() => vi.restoreAllMocks())

  it.each(Array.from({ length: SEEDS }, (_, index) => index + 1))(
    'seed %i: none lost, none trained twice, all over',
    { timeout: 300_000 },
    async seed => {
      const [sandbox, services] = await Promise.all([startSandbox(), startAwsServices()])
      try {
        const variables: Record<string, string> = functionVariables(sandbox, services)
        const environment = { get: (name: string) => variables[name] }
        const store = createDynamoStore({
          client: clientOf({ sandbox, services, variables, environment }),
          bucket: createAwsPlatform(variables).bucket,
          table: () => services.table,
          clock: hastyClock,
        })
        let troubles = 0
        const trouble = (luck: number) => {
          const [action, kind] = TROUBLES[Math.floor(luck * TROUBLES.length * 2)] ?? []
          if (action === undefined || kind === undefined) return
          troubles++
          services.fault({ action, kind })
        }
        const { jobs, kills, faults, ends, wrongs } = await soak(seed, JOBS, { store, trouble })
        expect(wrongs).toEqual([])
        // The storm has been one.
        expect(jobs).toBeGreaterThan(JOBS / 2)
        expect(kills).toBeGreaterThan(10)
        expect(faults).toBeGreaterThan(30)
        expect(troubles).toBeGreaterThan(20)
        expect(ends.succeeded).toBeGreaterThan(JOBS / 4)
      } finally {
        await Promise.all([services.close(), sandbox.close()])
      }
    },
  )
})
