import type { StepReport } from '../trainer/train.ts'

const HEADER = 'step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy'

/** A job's result file: one line for each step, empty where nothing was measured. */
export function resultCsv(reports: readonly StepReport[]): string {
  const lines = reports.map(({ step, train, valid }) =>
    [step, train.loss, train.accuracy, valid?.loss ?? '', valid?.accuracy ?? ''].join(','),
  )
  return `${[HEADER, ...lines].join('\n')}\n`
}
