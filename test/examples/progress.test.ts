import { describe, expect, it } from 'vitest'
import {
  bar,
  finalLosses,
  type Metrics,
  metricsOf,
  progressLine,
  progressLogLine,
  reachedTenth,
  sparkline,
} from '../../examples/lib/progress.ts'

const at = (step: number, trainLoss = 1, validLoss?: number): Metrics => ({
  step,
  totalSteps: 100,
  trainLoss,
  validLoss,
})

describe('metricsOf', () => {
  const data = { step: 3, total_steps: 9, train_loss: 0.5 }

  it('reads a metrics event', () => {
    expect(metricsOf({ type: 'metrics', data })).toEqual({ step: 3, totalSteps: 9, trainLoss: 0.5 })
  })

  it('prefers the loss on the whole validation set', () => {
    const event = { type: 'metrics', data: { ...data, valid_loss: 0.7, full_valid_loss: 0.6 } }
    expect(metricsOf(event)?.validLoss).toBe(0.6)
  })

  it.each([
    { name: 'a message', event: { type: 'message', data } },
    { name: 'no data', event: { type: 'metrics', data: null } },
    { name: 'a loss that is text', event: { type: 'metrics', data: { ...data, train_loss: '0.5' } } },
    {
      name: 'a loss that is not a number',
      event: { type: 'metrics', data: { ...data, train_loss: Number.NaN } },
    },
    { name: 'no total', event: { type: 'metrics', data: { step: 3, train_loss: 0.5 } } },
    { name: 'a total of 0', event: { type: 'metrics', data: { ...data, total_steps: 0 } } },
  ])('finds nothing in $name', ({ event }) => {
    expect(metricsOf(event)).toBeUndefined()
  })
})

describe('bar', () => {
  it.each([
    [0, '░░░░'],
    [0.5, '██░░'],
    [1, '████'],
    [-1, '░░░░'],
    [7, '████'],
  ])('draws %d', (fraction, expected) => {
    expect(bar(fraction, 4)).toBe(expected)
  })
})

describe('sparkline', () => {
  it('has one cell a value while there is room', () => {
    expect(sparkline([4, 2, 1, 0], 10)).toBe('█▅▃▁')
  })

  it('averages what does not fit, without leaving anything out', () => {
    expect(sparkline([8, 8, 4, 4, 0, 0], 3)).toBe('█▅▁')
    expect([...sparkline(Array(1000).fill(1), 7)]).toHaveLength(7)
  })

  it('keeps 0 as its floor: a small fall looks small', () => {
    expect(sparkline([2.3, 2.2], 10)).toBe('██')
  })

  it('survives nothing at all and all zeros', () => {
    expect(sparkline([], 5)).toBe('')
    expect(sparkline([0, 0], 5)).toBe('▁▁')
  })
})

describe('progressLine', () => {
  const history = [at(10, 2, 1.9), at(50, 1)]

  it('shows bar, steps, loss, its curve and the newest validation loss', () => {
    expect(progressLine(history, 120)).toBe(
      '████████████░░░░░░░░░░░░   50 %  step 50/100  loss 1.000 █▅  valid loss 1.900',
    )
  })

  it('gives up the rearmost parts before it wraps', () => {
    for (let columns = 1; columns < 90; columns++) {
      expect(progressLine(history, columns).length).toBeLessThanOrEqual(columns)
    }
    expect(progressLine(history, 40)).toBe('████████████░░░░░░░░░░░░   50 %')
  })

  it('is empty before the first measurement', () => {
    expect(progressLine([], 80)).toBe('')
    expect(progressLogLine([])).toBe('')
  })
})

it('progressLogLine holds the figures without the drawing', () => {
  expect(progressLogLine([at(100, 0.25, 0.5)])).toBe(
    '100 %  step 100/100  train loss 0.250  valid loss 0.500',
  )
})

describe('reachedTenth', () => {
  it('is true once for every tenth', () => {
    const steps = Array.from({ length: 100 }, (_, index) => at(index + 1))
    const due = steps.filter((each, index) => reachedTenth(steps[index - 1], each))
    expect(due.map(each => each.step)).toEqual([10, 20, 30, 40, 50, 60, 70, 80, 90, 100])
  })

  it('is true when several tenths pass at once', () => {
    expect(reachedTenth(at(5), at(47))).toBe(true)
    expect(reachedTenth(undefined, at(9))).toBe(false)
  })
})

describe('finalLosses', () => {
  it('averages the last tenth of the training losses', () => {
    const history = Array.from({ length: 20 }, (_, index) => at(index, index < 18 ? 9 : index))
    expect(finalLosses(history).train).toBe(18.5)
  })

  it('takes the newest validation loss, which need not be in the last step', () => {
    expect(finalLosses([at(1, 1, 0.9), at(2, 1, 0.8), at(3)]).valid).toBe(0.8)
  })

  it('knows nothing of an empty history', () => {
    expect(finalLosses([])).toEqual({ train: undefined, valid: undefined })
  })
})
