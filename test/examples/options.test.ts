import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { HELP, parseOptions, UsageError } from '../../examples/lib/options.ts'
import { stepMsFor } from '../../examples/lib/pace.ts'
import { PROVIDER_NAMES, traitsOf } from '../../examples/lib/providers.ts'
import { PROVIDERS } from '../support/providers.ts'

describe('parseOptions', () => {
  it('takes our own dataset by default', () => {
    expect(parseOptions([])).toEqual({
      train: expect.stringMatching(/examples\/support\/train\.jsonl$/),
      valid: expect.stringMatching(/examples\/support\/valid\.jsonl$/),
      test: expect.stringMatching(/examples\/support\/test\.jsonl$/),
      targets: [{ provider: 'openai', model: 'gpt-4.1-mini-2025-04-14' }],
      epochs: undefined,
      platform: 'cloudflare',
    })
  })

  it('never mixes our files with those of the user', () => {
    expect(parseOptions(['--train', 'a', '--test', 'b'])).toMatchObject({
      train: 'a',
      valid: undefined,
      test: 'b',
    })
  })

  it('reads model and epochs', () => {
    expect(parseOptions(['--model', 'm', '--epochs', '12'])).toMatchObject({
      targets: [{ provider: 'openai', model: 'm' }],
      epochs: 12,
    })
  })

  it.each(PROVIDERS)('takes $provider, whose base model is $model', ({ provider, model }) => {
    expect(parseOptions(['--provider', provider])).toMatchObject({ targets: [{ provider, model }] })
    expect(parseOptions(['--provider', provider, '--model', 'm'])).toMatchObject({
      targets: [{ provider, model: 'm' }],
    })
  })

  it('takes all providers, each once and with its own model', () => {
    expect(parseOptions(['--provider', 'all'])).toMatchObject({
      targets: PROVIDER_NAMES.map(provider => ({ provider, model: traitsOf(provider).model })),
    })
  })

  it('has no one model for all providers', () => {
    expect(() => parseOptions(['--provider', 'all', '--model', 'm'])).toThrow(/--model.*"all"/)
  })

  it('names the providers there are', () => {
    for (const name of [...PROVIDER_NAMES, 'all']) {
      expect(() => parseOptions(['--provider', 'nowhere'])).toThrow(name)
      expect(HELP).toContain(name)
    }
  })

  it('takes either platform', () => {
    expect(parseOptions(['--platform', 'aws'])).toMatchObject({ platform: 'aws' })
    expect(() => parseOptions(['--platform', 'azure'])).toThrow('--platform takes cloudflare or aws')
  })

  it('knows when help is wanted', () => {
    expect(parseOptions(['--help'])).toBe('help')
    expect(parseOptions(['-h', '--epochs', 'x'])).toBe('help')
  })

  it.each([
    ['--provider', 'nowhere'],
    ['--provider', ''],
    ['--provider', 'constructor'],
    ['--provider'],
    ['--epochs', '0'],
    ['--epochs', '1.5'],
    ['--epochs', 'three'],
    ['--epochs'],
    ['--train', 'a'],
    ['--valid', 'a'],
    ['--test', 'a'],
    ['--nonsense'],
    ['stray'],
  ])('refuses %s %s', (...args) => {
    expect(() => parseOptions(args)).toThrow(UsageError)
  })
})

it.each([
  { args: ['--provider', 'nowhere'], says: 'openai, azure, vertex_ai, bedrock, openai_compatible or all' },
  { args: ['--provider', 'all', '--model', 'm'], says: '--model' },
])('npm run demo -- $args ends with exit code 2 before anything is started', ({ args, says }) => {
  const demo = fileURLToPath(new URL('../../examples/demo.ts', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [demo, ...args], { encoding: 'utf8' })
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  expect(stderr).toContain(says)
  expect(stderr).not.toContain('    at ')
})

describe('traitsOf', () => {
  it.each(PROVIDERS)('says whether a tune of $provider is deployed first', ({ provider, isDeployed }) => {
    expect(traitsOf(provider).isDeployed).toBe(isDeployed)
  })

  it.each([
    ['azure', 'gpt-4.1-mini-2025-04-14', 'gpt-4.1-mini'],
    ['azure', 'my-deployment', 'my-deployment'],
    ['bedrock', 'amazon.nova-lite-v1:0:300k', 'amazon.nova-lite-v1:0'],
    ['bedrock', 'amazon.nova-lite-v1:0', 'amazon.nova-lite-v1:0'],
  ] as const)('on %s calls the untuned %s by the name %s', (provider, model, name) => {
    expect(traitsOf(provider).callAs?.(model)).toBe(name)
  })
})

describe('stepMsFor', () => {
  it.each([
    { examples: 10, epochs: undefined },
    { examples: 460, epochs: undefined },
    { examples: 9_003, epochs: undefined },
    { examples: 9_003, epochs: 1 },
    { examples: 1_000_000, epochs: 50 },
  ])('is a pause one can live with for $examples examples', ({ examples, epochs }) => {
    const pause = stepMsFor(examples, epochs)
    expect(pause).toBeGreaterThanOrEqual(1)
    expect(pause).toBeLessThanOrEqual(250)
    expect(Number.isInteger(pause)).toBe(true)
  })

  it('waits less where a provider makes more steps', () => {
    const manySteps = { autoEpochs: 2, mostStepsInEpoch: Number.POSITIVE_INFINITY }
    expect(stepMsFor(9_003, undefined, manySteps)).toBeLessThan(stepMsFor(9_003, 2))
  })

  it('leaves a job of the usual size a few seconds', () => {
    const usualSteps = 1_250
    expect(stepMsFor(9_003) * usualSteps).toBeGreaterThan(4_000)
    expect(stepMsFor(9_003) * usualSteps).toBeLessThan(10_000)
  })
})
