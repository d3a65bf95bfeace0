import { describe, expect, it } from 'vitest'
import { parseOptions, UsageError } from '../../examples/lib/options.ts'
import { stepMsFor } from '../../examples/lib/pace.ts'

describe('parseOptions', () => {
  it('takes our own dataset by default', () => {
    expect(parseOptions([])).toEqual({
      train: expect.stringMatching(/examples\/support\/train\.jsonl$/),
      valid: expect.stringMatching(/examples\/support\/valid\.jsonl$/),
      test: expect.stringMatching(/examples\/support\/test\.jsonl$/),
      model: 'gpt-4.1-mini-2025-04-14',
      epochs: undefined,
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
    expect(parseOptions(['--model', 'm', '--epochs', '12'])).toMatchObject({ model: 'm', epochs: 12 })
  })

  it('knows when help is wanted', () => {
    expect(parseOptions(['--help'])).toBe('help')
    expect(parseOptions(['-h', '--epochs', 'x'])).toBe('help')
  })

  it.each([
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

  it('leaves a job of the usual size a few seconds', () => {
    const usualSteps = 1_250
    expect(stepMsFor(9_003) * usualSteps).toBeGreaterThan(4_000)
    expect(stepMsFor(9_003) * usualSteps).toBeLessThan(10_000)
  })
})
