import type { StepReport } from '../trainer/train.ts'

/** A result file's columns from left to right: the name, and what stands below it. */
export type Columns = readonly (readonly [name: string, value: (report: StepReport) => number | undefined])[]

export const OPENAI_COLUMNS: Columns = [
  ['step', ({ step }) => step],
  ['train_loss', ({ train }) => train.loss],
  ['train_accuracy', ({ train }) => train.accuracy],
  ['valid_loss', ({ valid }) => valid?.loss],
  ['valid_mean_token_accuracy', ({ valid }) => valid?.accuracy],
]

/** A job's result file: one line for each step, empty where nothing was measured. */
export function resultCsv(columns: Columns, reports: readonly StepReport[]): string {
  const header = columns.map(([name]) => name)
  const lines = reports.map(report => columns.map(([, value]) => value(report) ?? ''))
  return [header, ...lines].map(cells => `${cells.join(',')}\n`).join('')
}
