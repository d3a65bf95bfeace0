/** What a completed job leaves in its output location. */
import type { StepReport } from '../../trainer/train.ts'
import { parseS3Uri, type Store } from '../s3/store.ts'
import type { Job } from './job.ts'

const TRAINING = 'training_artifacts/step_wise_training_metrics.csv'
const VALIDATION = 'validation_artifacts/post_fine_tuning_validation/validation/validation_metrics.csv'

/** Steps and epochs count from 0. */
function csv(kind: 'training' | 'validation', rows: readonly { report: StepReport; loss: number }[]): string {
  const lines = rows.map(({ report: { step, epoch }, loss }) =>
    [step - 1, epoch - 1, loss, Math.exp(loss)].join(','),
  )
  return `${[`step_number,epoch_number,${kind}_loss,perplexity`, ...lines].join('\n')}\n`
}

export function writeMetrics(store: Store, job: Job, reports: readonly StepReport[]): void {
  const output = parseS3Uri(job.request.outputDataConfig.s3Uri)
  if (!output) return
  const folder = output.key === '' || output.key.endsWith('/') ? output.key : `${output.key}/`
  const write = (path: string, text: string): void =>
    store.write(output.bucket, `${folder}model-customization-job-${job.id}/${path}`, text, 'text/csv')
  write(
    TRAINING,
    csv(
      'training',
      reports.map(report => ({ report, loss: report.train.loss })),
    ),
  )
  const validated = reports.flatMap(report =>
    report.fullValid ? [{ report, loss: report.fullValid.loss }] : [],
  )
  if (validated.length > 0) write(VALIDATION, csv('validation', validated))
}
