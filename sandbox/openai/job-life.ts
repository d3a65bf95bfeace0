/** What happens to a job between its creation and its end. */
import { newId, nowInSeconds } from '../ids.ts'
import { Pace, Stopped, type Tempo } from '../tempo.ts'
import { type StepReport, stepsIn, train } from '../trainer/train.ts'
import { BASE_LEARNING_RATE, prepareTuning, type Tuning } from '../trainer/tune.ts'
import { snapshot } from '../trainer/tuned-model.ts'
import type { JobDialect } from './dialect.ts'
import type { Files, StoredFile } from './files.ts'
import { AUTO_BETA, resolveHyperparameters } from './hyperparameters.ts'
import { addEvent, type Checkpoint, type Job, type JobError, type JobStatus, metricsOf } from './job.ts'
import type { Models } from './models.ts'
import { resultCsv } from './results.ts'
import { BadFile, readTrainingSet, type TrainingSet } from './training-data.ts'

export interface JobFiles {
  training: StoredFile
  validation: StoredFile | undefined
}

const KEPT_CHECKPOINTS = 3

/** Drives one job. Every change of the record happens here, between two awaits, so readers never see it half done. */
export class JobLife {
  readonly job: Job
  readonly #files: Files
  readonly #models: Models
  readonly #pace: Pace
  readonly #results: JobDialect['results']
  readonly #modelName: string
  readonly #ended: () => void
  readonly #reports: StepReport[] = []

  /** @param ended called when the job has come to its end */
  constructor(
    job: Job,
    files: Files,
    models: Models,
    tempo: Tempo,
    { results, newModelName }: JobDialect,
    ended: () => void = () => undefined,
  ) {
    this.#ended = ended
    this.job = job
    this.#results = results
    this.#modelName = newModelName(job)
    this.#files = files
    this.#models = models
    this.#pace = new Pace(tempo)
  }

  cancel(): void {
    this.#pace.stop()
    this.#finish('cancelled')
    addEvent(this.job, 'The job has been cancelled')
  }

  pause(): void {
    this.#pace.pause()
    this.job.status = 'paused'
    addEvent(this.job, 'Training is paused')
  }

  resume(): void {
    this.job.status = 'running'
    addEvent(this.job, 'Training goes on where it stopped')
    this.#pace.resume()
  }

  /** Stops without a trace: the server closes or forgets everything. */
  abandon(): void {
    this.#pace.stop()
  }

  /** Runs the job to its end. Never rejects: whatever goes wrong becomes the job's error. */
  async run(sources: JobFiles): Promise<void> {
    try {
      const { training, validation } = await this.#validate(sources)
      await this.#train(training, validation)
    } catch (error) {
      if (error instanceof Stopped) return
      this.#fail(error instanceof FailedJob ? error.wire : serverError(error))
    }
  }

  async #validate(
    sources: JobFiles,
  ): Promise<{ training: TrainingSet; validation: TrainingSet | undefined }> {
    const { job } = this
    addEvent(job, `Created fine-tuning job: ${job.id}`)
    addEvent(job, `Validating training file: ${sources.training.id}`)
    if (sources.validation) addEvent(job, `Validating validation file: ${sources.validation.id}`)
    await this.#pace.step()
    const training = await this.#read('training_file', sources.training)
    const validation = sources.validation && (await this.#read('validation_file', sources.validation))
    addEvent(job, 'Files are valid, the job moves to the queue')
    job.status = 'queued'
    await this.#pace.step()
    return { training, validation }
  }

  async #read(param: 'training_file' | 'validation_file', file: StoredFile): Promise<TrainingSet> {
    const least = param === 'validation_file' ? 1 : undefined
    try {
      return await readTrainingSet(file.bytes, this.job.method, () => this.#pace.breathe(), least)
    } catch (error) {
      if (error instanceof BadFile) throw new FailedJob({ code: error.code, message: error.message, param })
      throw error
    }
  }

  async #train(training: TrainingSet, validation: TrainingSet | undefined): Promise<void> {
    const { job } = this
    const resolved = resolveHyperparameters(job.method, training.examples.length)
    const plan = {
      epochs: resolved.n_epochs,
      batchSize: resolved.batch_size,
      learningRate: BASE_LEARNING_RATE * resolved.learning_rate_multiplier,
      seed: job.seed,
    }
    job.resolved = resolved
    job.status = 'running'
    job.progress = {
      startedAt: Date.now(),
      step: 0,
      totalSteps: stepsIn(training.examples.length, plan).total,
    }
    addEvent(job, 'Fine-tuning job started')
    const tuning = await prepareTuning(
      {
        examples: training.examples,
        validation: validation?.examples ?? [],
        beta: typeof resolved.beta === 'number' ? resolved.beta : AUTO_BETA,
        ...(job.from && { from: job.from.tuned }),
      },
      () => this.#pace.breathe(),
    )
    for (const report of train(tuning.model.weights, tuning.examples, tuning.validation, plan)) {
      if (report.kind === 'working') {
        await this.#pace.breathe()
        continue
      }
      this.#record(report, tuning, training)
      await this.#pace.step()
    }
    this.#succeed(tuning)
  }

  #record(report: StepReport, tuning: Tuning, training: TrainingSet): void {
    const { job } = this
    const metrics = metricsOf(report)
    if (job.progress) job.progress.step = report.step
    job.trainedTokens = (job.trainedTokens ?? 0) + tokensOf(report.batch, training)
    this.#reports.push(report)
    const losses = [`training loss=${report.train.loss.toFixed(4)}`]
    if (report.valid) losses.push(`validation loss=${report.valid.loss.toFixed(4)}`)
    if (report.fullValid) losses.push(`full validation loss=${report.fullValid.loss.toFixed(4)}`)
    addEvent(job, `Step ${report.step}/${report.totalSteps}: ${losses.join(', ')}`, {
      type: 'metrics',
      data: { ...metrics, total_steps: report.totalSteps },
    })
    if (!report.endsEpoch) return
    const checkpoint: Checkpoint = {
      id: newId('ftckpt_'),
      createdAt: nowInSeconds(),
      model: `${this.#modelName}:ckpt-step-${report.step}`,
      step: report.step,
      metrics,
    }
    this.#models.add(checkpoint.model, job.base, snapshot(tuning.model), checkpoint.createdAt)
    job.checkpoints.add(checkpoint)
    addEvent(job, `Checkpoint created at step ${report.step}: ${checkpoint.model}`)
    const [oldest] = job.checkpoints
    if (job.checkpoints.size > KEPT_CHECKPOINTS && oldest) {
      job.checkpoints.delete(oldest.id)
      this.#models.fineTunes.delete(oldest.model)
    }
  }

  #succeed({ model }: Tuning): void {
    const { job } = this
    const name = this.#modelName
    this.#models.add(name, job.base, model, nowInSeconds())
    const results = this.#files.add({
      filename: this.#results.filename,
      purpose: 'fine-tune-results',
      bytes: new TextEncoder().encode(resultCsv(this.#results.columns, this.#reports)),
    })
    job.fineTunedModel = name
    job.resultFiles = [results.id]
    addEvent(job, `New fine-tuned model created: ${name}`)
    this.#finish('succeeded')
    addEvent(job, 'The job has successfully completed')
  }

  #fail(error: JobError): void {
    this.job.error = error
    this.#finish('failed')
    addEvent(this.job, `The job failed: ${error.message}`, {
      level: 'error',
      data: { error_code: error.code },
    })
  }

  #finish(status: JobStatus): void {
    this.job.status = status
    this.job.finishedAt = nowInSeconds()
    this.#ended()
  }
}

/** Carries a job's error through the layers between. */
class FailedJob extends Error {
  readonly wire: JobError

  constructor(wire: JobError) {
    super(wire.message)
    this.wire = wire
  }
}

function serverError(error: unknown): JobError {
  return {
    code: 'server_error',
    message: error instanceof Error ? error.message : String(error),
    param: null,
  }
}

/** A line's tokens are shared by the examples that come from it, and counted with the first. */
function tokensOf(batch: Int32Array, { lineOf, tokens }: TrainingSet): number {
  let sum = 0
  for (const index of batch) {
    const line = lineOf[index] ?? 0
    if (index === 0 || lineOf[index - 1] !== line) sum += tokens[line] ?? 0
  }
  return sum
}
