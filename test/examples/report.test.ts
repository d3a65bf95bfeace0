import { describe, expect, it } from 'vitest'
import { type Answer, percentile, scoreOf } from '../../examples/lib/exam.ts'
import { comparisonTable, sample, scoreTable, spread } from '../../examples/lib/report.ts'
import { clip, table } from '../../examples/lib/table.ts'

const answer = (text: string, latencyMs = 1, expected = 'yes'): Answer => ({
  question: { prompt: [{ role: 'user', content: 'Is it so?' }], expected },
  text,
  right: text === expected,
  latencyMs,
})

describe('percentile', () => {
  it.each([
    [[1, 2, 3, 4], 0.5, 2],
    [[1, 2, 3], 0.5, 2],
    [[1, 2, 3, 4], 0.95, 4],
    [[7], 0.95, 7],
    [[1, 2], 0, 1],
  ])('of %j at %d is %d', (sorted, share, expected) => {
    expect(percentile(sorted, share)).toBe(expected)
  })

  it('is not a number without values', () => {
    expect(percentile([], 0.5)).toBeNaN()
  })
})

describe('scoreOf', () => {
  it('counts right answers and ranks latencies, whatever their order', () => {
    const answers = [answer('yes', 30), answer('no', 10), answer('yes', 20), answer('yes', 40)]
    expect(scoreOf(answers)).toEqual({ right: 3, total: 4, accuracy: 0.75, medianMs: 20, p95Ms: 40 })
  })

  it('has no accuracy to be proud of without answers', () => {
    expect(scoreOf([])).toMatchObject({ right: 0, total: 0, accuracy: 0 })
  })
})

describe('table', () => {
  it('aligns names left and figures right', () => {
    expect(
      table(
        ['name', 'n'],
        [
          ['a', '1'],
          ['bb', '100'],
        ],
      ),
    ).toBe(['name    n', '────  ───', 'a       1', 'bb    100'].join('\n'))
  })

  it('has more columns of names if asked', () => {
    expect(
      table(['a', 'name', 'n'], [['x', 'y', '1']], 2)
        .split('\n')
        .at(-1),
    ).toBe('x  y     1')
  })

  it('counts characters, not UTF-16 units', () => {
    expect(table(['é🙂', 'n'], [['ab', '1']]).split('\n')).toEqual(['é🙂  n', '──  ─', 'ab  1'])
  })

  it('fills cells that are missing', () => {
    expect(table(['a', 'b'], [['x']])).toBe('a  b\n─  ─\nx')
  })
})

describe('clip', () => {
  it.each([
    ['short', 10, 'short'],
    ['exactly', 7, 'exactly'],
    ['too long', 5, 'too …'],
    ['two\n lines\t', 20, 'two lines'],
    ['🙂🙂🙂', 2, '🙂…'],
  ])('%j at %d is %j', (text, width, expected) => {
    expect(clip(text, width)).toBe(expected)
  })
})

it('scoreTable has a line for each model', () => {
  const text = scoreTable([
    ['base', { right: 0, total: 8, accuracy: 0, medianMs: 1.23, p95Ms: 4 }],
    ['tuned', { right: 7, total: 8, accuracy: 0.875, medianMs: 2, p95Ms: 5 }],
  ])
  expect(text.split('\n')).toEqual([
    'model  right  accuracy  median     p95',
    '─────  ─────  ────────  ──────  ──────',
    'base     0/8     0.0 %  1.2 ms  4.0 ms',
    'tuned    7/8    87.5 %  2.0 ms  5.0 ms',
  ])
})

it('comparisonTable has a line for each provider, and dashes where the story broke off', () => {
  const score = { right: 0, total: 8, accuracy: 0, medianMs: 1, p95Ms: 1 }
  const tuned = { right: 7, total: 8, accuracy: 0.875, medianMs: 12.34, p95Ms: 56.7 }
  const text = comparisonTable([
    [
      { provider: 'openai', model: 'gpt' },
      { base: score, tuned, trainingSeconds: 8.04 },
    ],
    [{ provider: 'vertex_ai', model: 'gemini' }, undefined],
  ])
  expect(text.split('\n')).toEqual([
    'provider   base model   base   tuned   median      p95  training',
    '─────────  ──────────  ─────  ──────  ───────  ───────  ────────',
    'openai     gpt         0.0 %  87.5 %  12.3 ms  56.7 ms     8.0 s',
    'vertex_ai  gemini          –       –        –        –         –',
  ])
})

describe('sample', () => {
  it('shows the question with both answers', () => {
    expect(sample(answer('no'), answer('yes'), 60)).toBe('“Is it so?”\n  base   ✗ no\n  tuned  ✓ yes')
  })

  it('adds what was wanted if the tuned model missed it', () => {
    expect(sample(answer('no'), answer('no'), 60)).toContain('\n  wanted   yes')
  })

  it('keeps within the width', () => {
    const long = answer('x'.repeat(200))
    for (const line of sample(long, long, 40).split('\n')) expect([...line].length).toBeLessThanOrEqual(41)
  })
})

describe('spread', () => {
  it.each([
    [[1, 2, 3, 4, 5], 3, [1, 3, 5]],
    [[1, 2], 3, [1, 2]],
    [[], 3, []],
    [[1, 2, 3, 4], 2, [1, 4]],
    [[1, 2, 3], 1, [1]],
  ])('of %j takes %d: %j', (values, count, expected) => {
    expect(spread(values, count)).toEqual(expected)
  })
})
