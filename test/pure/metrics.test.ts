import { describe, expect, it } from 'vitest'
import { bestOf, byBest, plateauOf } from '../../shared/training/compare.ts'
import { joinPoints, type MetricPoint, readCsv, toPoint } from '../../shared/training/metrics.ts'

describe('a row of metrics', () => {
  it.each<[string, Record<string, unknown>, MetricPoint | undefined]>([
    [
      "OpenAI's event",
      { step: 7, train_loss: 0.5, train_mean_token_accuracy: 0.9, total_steps: 90, valid_loss: null },
      { step: 7, train_loss: 0.5, train_mean_token_accuracy: 0.9 },
    ],
    [
      "OpenAI's file",
      { step: '1', train_loss: '0.25', train_accuracy: '0.5', valid_loss: '', valid_mean_token_accuracy: '' },
      { step: 1, train_loss: 0.25, train_mean_token_accuracy: 0.5 },
    ],
    [
      "Bedrock's training file, which counts from 0",
      { step_number: '0', epoch_number: '0', training_loss: '1.5', perplexity: '4.48' },
      { step: 1, train_loss: 1.5 },
    ],
    [
      "Bedrock's validation file",
      { step_number: '9', epoch_number: '0', validation_loss: '1.25', perplexity: '3.5' },
      { step: 10, valid_loss: 1.25 },
    ],
    ['nothing measured', { step: 3, train_loss: '' }, undefined],
    ['no step', { train_loss: 1 }, undefined],
    ['no number', { step: 3, train_loss: 'NaN', valid_loss: 'n/a' }, undefined],
    ['zero, which is a number', { step: 0, valid_loss: 0 }, { step: 0, valid_loss: 0 }],
    ['a name that is none of ours', { step: 1, constructor: 1, train_loss: 1 }, { step: 1, train_loss: 1 }],
  ])('%s', (_what, row, point) => {
    expect(toPoint(row)).toEqual(point)
  })
})

describe('a result file', () => {
  const csv = 'step,train_loss,train_accuracy,valid_loss\n1,2,0.5,\n2,1.5,0.6,1.75\n'
  const points = [
    { step: 1, train_loss: 2, train_mean_token_accuracy: 0.5 },
    { step: 2, train_loss: 1.5, train_mean_token_accuracy: 0.6, valid_loss: 1.75 },
  ]
  it.each([
    ['as it is', csv],
    ['with a byte order mark and CRLF', `\ufeff${csv.replaceAll('\n', '\r\n')}`],
    ['without a last line end', csv.trimEnd()],
    ['packed as base64', btoa(csv)],
  ])('%s', (_how, text) => {
    expect(readCsv(text)).toEqual(points)
  })

  it('that is none has no points', () => {
    for (const text of ['', '\n', '<html>no</html>', 'a,b\n1,2']) expect(readCsv(text)).toEqual([])
  })
})

describe('points of several sources', () => {
  it('are one for each step, in order; what is told first stands', () => {
    expect(
      joinPoints([
        { step: 2, train_loss: 1 },
        { step: 1, train_loss: 2 },
        { step: 2, train_loss: 9, full_valid_loss: 3 },
      ]),
    ).toEqual([
      { step: 1, train_loss: 2 },
      { step: 2, train_loss: 1, full_valid_loss: 3 },
    ])
  })
})

const losses = (...values: number[]): MetricPoint[] =>
  values.map((valid_loss, index) => ({ step: index + 1, valid_loss, train_loss: 1 / (index + 1) }))

describe('the best step', () => {
  it('has the least validation loss, the earliest of equals', () => {
    expect(bestOf(losses(3, 2, 2, 4))).toEqual({ step: 2, metric: 'valid_loss', value: 2 })
  })
  it('goes by the whole validation file where that was measured', () => {
    expect(bestOf([...losses(3, 1), { step: 3, full_valid_loss: 2 }])).toMatchObject({
      step: 3,
      metric: 'full_valid_loss',
    })
  })
  it('goes by training loss where nothing else was measured, and comes last then', () => {
    const seen = { best: bestOf([{ step: 1, train_loss: 0.1 }]) }
    const unseen = { best: bestOf(losses(3)) }
    expect(seen.best).toEqual({ step: 1, metric: 'train_loss', value: 0.1 })
    expect([{ best: null }, seen, unseen].sort(byBest)).toEqual([unseen, seen, { best: null }])
  })
  it('is none where nothing was measured', () => {
    expect(bestOf([])).toBeNull()
  })
})

describe('where validation loss stops improving', () => {
  it.each<[string, number[], number | null]>([
    ['falls, then rises', [3, 2, 1, 1.5, 2], 3],
    ['falls to the end', [3, 2, 1], null],
    ['falls by next to nothing', [3, 2, 1.9999, 1.9998], 2],
    ['is measured too seldom to tell', [1, 2], null],
    ['only rises', [1, 2, 3], 1],
  ])('that %s', (_how, values, step) => {
    expect(plateauOf(losses(...values))).toBe(step)
  })
})
