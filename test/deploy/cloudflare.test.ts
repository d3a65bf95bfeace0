/** The Worker's configuration, and what the deploy button asks for, held against the code. */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Unstable_Config, unstable_readConfig } from 'wrangler'
import { ROOT } from './template.ts'

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const configuration: Unstable_Config = unstable_readConfig({ config: join(ROOT, 'wrangler.toml') })
const manifest: {
  scripts: Record<string, string>
  cloudflare: { bindings: Record<string, { description: string }> }
} = JSON.parse(read('package.json'))

const bindings = [
  ...configuration.d1_databases.map(({ binding }) => binding),
  ...configuration.r2_buckets.map(({ binding }) => binding),
  ...(configuration.queues.producers ?? []).map(({ binding }) => binding),
]

/** Names that `.dev.vars.example` sets, and those it only shows. */
const example = read('.dev.vars.example')
const set = [...example.matchAll(/^([A-Z][A-Z0-9_]+)=(.*)$/gm)].map(([, name, value]) => ({ name, value }))
const shown = [...example.matchAll(/^# ([A-Z][A-Z0-9_]+)=/gm)].map(([, name]) => name)

describe('wrangler.toml', () => {
  it('binds what the code takes', () => {
    const source = read('shared/platform/cloudflare/index.ts')
    const own = /const OWN_BINDINGS = \[(.*)\]/.exec(source)?.[1]?.match(/\w+/g)
    expect(bindings.toSorted()).toEqual(own?.toSorted())
  })

  it('has an entry that answers requests, ticks and messages', () => {
    const entry = configuration.main ?? ''
    const source = readFileSync(entry, 'utf8')
    for (const handler of ['fetch', 'scheduled', 'queue'])
      expect(source).toMatch(new RegExp(`^ .*\\b${handler}\\b.*bindings`, 'm'))
  })

  it('ticks once a minute', () => {
    expect(configuration.triggers.crons).toEqual(['* * * * *'])
  })

  it('consumes the queue it fills, and keeps what fails', () => {
    const [producer] = configuration.queues.producers ?? []
    const [consumer, ...others] = configuration.queues.consumers ?? []
    expect(others).toEqual([])
    expect(consumer).toMatchObject({ queue: producer?.queue, max_batch_size: 10, max_retries: 5 })
    expect(consumer?.dead_letter_queue).toBe(`${producer?.queue}-dead`)
  })

  it('names the migrations, which are applied before each deployment', () => {
    const [database] = configuration.d1_databases
    const migrations = globSync(join(database?.migrations_dir ?? '', '*.sql'), { cwd: ROOT })
    expect(migrations.length).toBeGreaterThan(0)
    expect(manifest.scripts.predeploy).toBe(`wrangler d1 migrations apply ${database?.binding} --remote`)
    expect(manifest.scripts.deploy).toMatch(/^wrangler deploy\b/)
  })

  it('lists the secrets that the example sets', () => {
    const listed = [...read('wrangler.toml').matchAll(/^# {3}([A-Z_]+) {2}/gm)].map(([, name]) => name)
    expect(listed.toSorted()).toEqual(set.map(({ name }) => name).toSorted())
  })

  it('holds no account’s id', () => {
    expect(read('wrangler.toml').match(/[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{32}/g)).toEqual([
      '00000000-0000-0000-0000-000000000000',
    ])
  })
})

describe('the deploy button', () => {
  it('describes every binding and every secret it asks for', () => {
    const names = [...bindings, ...set.map(({ name }) => name ?? '')]
    expect(Object.keys(manifest.cloudflare.bindings).toSorted()).toEqual(names.toSorted())
    for (const { description } of Object.values(manifest.cloudflare.bindings))
      expect(description.length).toBeGreaterThan(10)
  })

  // It fills in what stands there, and many would leave it: a key that all the world knows.
  it('proposes no value for a secret', () => {
    expect(set.filter(({ value }) => value !== '""')).toEqual([])
  })

  it('finds a lock file', () => {
    expect(existsSync(join(ROOT, 'package-lock.json'))).toBe(true)
  })

  it.each([...set.map(({ name }) => name), ...shown])(
    'asks for %s, which docs/configuration.md explains',
    name => {
      expect(read('docs/configuration.md')).toContain(`\`${name}\``)
    },
  )
})
