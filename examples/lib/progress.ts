/** How a job's metrics look in a terminal: pure functions from numbers to text. @module */

/** One measurement of the trainer, out of a `metrics` event. */
export interface Metrics {
  step: number
  totalSteps: number
  trainLoss: number
  /** Only now and then; on the whole validation set at the end of an epoch. */
  validLoss?: number | undefined
}

/** The measurement inside a job event; `undefined` if it is an event of another kind. */
export function metricsOf(event: { type?: string; data?: unknown }): Metrics | undefined {
  if (event.type !== 'metrics' || typeof event.data !== 'object' || event.data === null) return undefined
  const data: Record<string, unknown> = { ...event.data }
  const step = finite(data.step)
  const totalSteps = finite(data.total_steps)
  const trainLoss = finite(data.train_loss)
  if (step === undefined || !totalSteps || trainLoss === undefined) return undefined
  return { step, totalSteps, trainLoss, validLoss: finite(data.full_valid_loss) ?? finite(data.valid_loss) }
}

const finite = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined

/** A bar of `width` cells, filled from the left: `bar(0.5, 4)` is `██░░`. */
export function bar(fraction: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, fraction)) * width)
  return '█'.repeat(filled) + '░'.repeat(width - filled)
}

const LEVELS = '▁▂▃▄▅▆▇█'

/** A curve of at most `width` cells; more values than cells are averaged, so that noise does not hide the trend. */
export function sparkline(values: readonly number[], width: number): string {
  const means = buckets(values, width)
  // From 0, not from the smallest value: a loss that falls from 2.3 to 2.2 must not look like a success.
  const top = Math.max(...means)
  if (!(top > 0)) return '▁'.repeat(means.length)
  return means.map(value => LEVELS.charAt(Math.min(7, Math.floor((value / top) * 8)))).join('')
}

function buckets(values: readonly number[], width: number): number[] {
  const count = Math.min(width, values.length)
  return Array.from({ length: count }, (_, index) => {
    const from = Math.floor((index * values.length) / count)
    const to = Math.floor(((index + 1) * values.length) / count)
    return values.slice(from, to).reduce((sum, value) => sum + value, 0) / (to - from)
  })
}

/** The live line: bar, steps, loss and its curve; it never exceeds `columns`. */
export function progressLine(history: readonly Metrics[], columns: number): string {
  const last = history.at(-1)
  if (!last) return ''
  const losses = history.map(each => each.trainLoss)
  const parts = [
    bar(last.step / last.totalSteps, 24),
    percent(last).padStart(5),
    `step ${last.step}/${last.totalSteps}`,
    `loss ${last.trainLoss.toFixed(3)} ${sparkline(losses, 20)}`,
    ...validPart(history),
  ]
  // On a narrow terminal the rearmost parts go first: a line that wraps could not be redrawn in place.
  while (parts.length > 1 && parts.join('  ').length > columns) parts.pop()
  return parts.join('  ').slice(0, columns)
}

/** The same for a log file, where lines cannot be redrawn. */
export function progressLogLine(history: readonly Metrics[]): string {
  const last = history.at(-1)
  if (!last) return ''
  const loss = `train loss ${last.trainLoss.toFixed(3)}`
  return [
    percent(last).padStart(5),
    `step ${last.step}/${last.totalSteps}`,
    loss,
    ...validPart(history),
  ].join('  ')
}

const percent = ({ step, totalSteps }: Metrics): string => `${Math.floor((step / totalSteps) * 100)} %`

const validPart = (history: readonly Metrics[]): string[] => {
  const loss = finalLosses(history).valid
  return loss === undefined ? [] : [`valid loss ${loss.toFixed(3)}`]
}

/** Whether a log line is due: a new tenth of the way is done since the last measurement, or all of it. */
export function reachedTenth(previous: Metrics | undefined, current: Metrics): boolean {
  const tenths = ({ step, totalSteps }: Metrics): number => Math.floor((step / totalSteps) * 10)
  return tenths(current) > (previous ? tenths(previous) : 0)
}

/** The newest losses. A single batch says little about the training loss: the last tenth of all steps is averaged. */
export function finalLosses(history: readonly Metrics[]): {
  train: number | undefined
  valid: number | undefined
} {
  const tail = history.slice(-Math.max(1, Math.floor(history.length / 10)))
  const sum = tail.reduce((total, each) => total + each.trainLoss, 0)
  return {
    train: tail.length > 0 ? sum / tail.length : undefined,
    valid: history.findLast(each => each.validLoss !== undefined)?.validLoss,
  }
}
