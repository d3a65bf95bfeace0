import { availableParallelism } from 'node:os'
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin'
import { defineConfig } from 'vitest/config'

/** Rank tables as the Worker gets them: text. */
const tables = {
  name: 'tables',
  enforce: 'pre' as const,
  load: (id: string) =>
    id.endsWith('.tiktoken')
      ? `import { readFileSync } from 'node:fs'\nexport default readFileSync(${JSON.stringify(id)}, 'utf8')`
      : undefined,
}

/** What is about Cloudflare's bundle, runtime or engines, or of no platform; all else of these folders runs on both. */
const NOT_ON_AWS = [
  'e2e/{bundle,docs}',
  'workers/{back-pressure,credentials,flow,ports,s3-bucket,schedule,uploads}',
].map(name => `test/${name}.test.ts`)

/** Long enough for a process to boot on a busy machine; no test asserts a time. */
const PATIENCE_MS = 60_000

/** Half of what a test does is waiting for processes of its own: two at a time are right even for two cores. */
const WORKERS = Math.max(2, availableParallelism() - 1)

// biome-ignore lint/style/noDefaultExport: vitest reads its configuration from the default export
export default defineConfig({
  test: {
    maxWorkers: WORKERS,
    projects: [
      {
        // Pure tables, the sandbox, and unmodified clients against real processes.
        plugins: [tables],
        test: {
          name: 'node',
          include: ['test/**/*.test.ts'],
          exclude: ['test/workers/**'],
          globalSetup: ['test/support/stack-cache.ts'],
          testTimeout: PATIENCE_MS,
          hookTimeout: PATIENCE_MS,
        },
      },
      {
        // The same once more on DynamoDB, S3 and SQS; end to end with the gateway as a Lambda function.
        plugins: [tables],
        test: {
          name: 'aws',
          include: ['test/{e2e,workers}/*.test.ts'],
          exclude: NOT_ON_AWS,
          globalSetup: ['test/support/stack-cache.ts'],
          env: { TUNEGATE_PLATFORM: 'aws' },
          testTimeout: PATIENCE_MS,
          hookTimeout: PATIENCE_MS,
        },
      },
      {
        // Inside workerd, with real D1 and R2, against the sandbox over loopback.
        plugins: [
          cloudflareTest(async () => ({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: { TEST_MIGRATIONS: await readD1Migrations('./migrations') },
              secretsStoreSecrets: { FROM_STORE: { store_id: 'test-store', secret_name: 'FROM_STORE' } },
            },
          })),
        ],
        test: {
          name: 'workers',
          include: ['test/workers/**/*.test.ts'],
          globalSetup: ['test/support/sandbox-setup.ts'],
          setupFiles: ['test/support/migrate.ts'],
          testTimeout: PATIENCE_MS,
          hookTimeout: PATIENCE_MS,
        },
      },
    ],
  },
})
