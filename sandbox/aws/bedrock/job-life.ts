/** What happens to a job between its creation and its end. */
import { Pace, Stopped, type Tempo } from '../../tempo.ts'
import { type StepReport, train } from '../../trainer/train.ts'
import { type Example, prepareTuning } from '../../trainer/tune.ts'
import type { TunedModel } from '../../trainer/tuned-model.ts'
import { parseS3Uri, type Store } from '../s3/store.ts'
import type { CustomModels } from './custom-models.ts'
import { BadDataset, readDataset } from './datasets.ts'
import { planOf } from './hyperparameters.ts'
import { type Job, type JobStatus, PHASES, type Phase } from './job.ts'
import { writeMetrics } from './metrics.ts'

interface Datasets {
  training: Example[]
  validation: Example[]
}

/** Only for preferences, of which Bedrock has none. */
const NO_BETA = 0

/** Drives one job. Every change of the record happens here, between two awaits, so readers never see it half done. */
export class JobLife {
  readonly job: Job
  readonly #store: Store
  readonly #models: CustomModels
  readonly #tempo: Tempo
  readonly #pace: Pace
  readonly #abandoned = new AbortController()
  readonly #reports: StepReport[] = []

  constructor(job: Job, store: Store, models: CustomModels, tempo: Tempo) {
    this.job = job
    this.#store = store
    this.#models = models
    this.#tempo = tempo
    this.#pace = new Pace(tempo)
  }

  /** Asks the job to stop; it has stopped some time later. */
  stop(): void {
    this.#move('Stopping')
    this.#pace.stop()
  }

  /** Stops without a trace: the server closes or forgets everything. */
  abandon(): void {
    this.#abandoned.abort()
    this.#pace.stop()
  }

  /** Runs the job to its end. Never rejects: whatever goes wrong becomes the job's failure message. */
  async run(): Promise<void> {
    try {
      await this.#pace.step()
      const datasets = await this.#phase('validationDetails', () => this.#validate())
      const model = await this.#phase('dataProcessingDetails', () => this.#prepare(datasets))
      await this.#phase('trainingDetails', () => this.#train(model))
      this.#complete(model.model)
    } catch (error) {
      if (error instanceof Stopped) await this.#windDown()
      else this.#fail(error)
    }
  }

  async #phase<T>(phase: Phase, work: () => Promise<T>): Promise<T> {
    const started = new Date()
    this.job.phases[phase] = { status: 'InProgress', creationTime: started, lastModifiedTime: started }
    this.job.modifiedAt = started
    await this.#pace.step()
    const result = await work()
    this.job.phases[phase] = { status: 'Completed', creationTime: started, lastModifiedTime: new Date() }
    return result
  }

  async #validate(): Promise<Datasets> {
    const { request, base } = this.job
    const output = parseS3Uri(request.outputDataConfig.s3Uri)
    if (!output || !this.#store.bucket(output.bucket)) {
      throw new BadDataset(`Could not access the output location ${request.outputDataConfig.s3Uri}.`)
    }
    const training = await this.#read(request.trainingDataConfig.s3Uri, base.dataset.training)
    const validation: Example[] = []
    for (const { s3Uri } of request.validationDataConfig?.validators ?? []) {
      if (base.dataset.validation) validation.push(...(await this.#read(s3Uri, base.dataset.validation)))
    }
    return { training, validation }
  }

  async #read(uri: string, count: { min: number; max: number }): Promise<Example[]> {
    const location = parseS3Uri(uri)
    const object = location && this.#store.bucket(location.bucket)?.get(location.key)
    if (!object) {
      throw new BadDataset(
        `Could not access ${uri}. Check that the object exists and that the role may read it.`,
      )
    }
    try {
      return await readDataset(object.bytes, this.job.base, count, () => this.#pace.breathe())
    } catch (error) {
      if (error instanceof BadDataset) throw new BadDataset(`Validation of ${uri} failed. ${error.message}`)
      throw error
    }
  }

  #prepare({ training, validation }: Datasets) {
    return prepareTuning({ examples: training, validation, beta: NO_BETA }, () => this.#pace.breathe())
  }

  async #train({ model, examples, validation }: Awaited<ReturnType<typeof prepareTuning>>): Promise<void> {
    const plan = planOf(this.job.base, this.job.hyperparameters)
    for (const report of train(model.weights, examples, validation, plan)) {
      if (report.kind === 'working') {
        await this.#pace.breathe()
        continue
      }
      this.#reports.push(report)
      this.job.step = report.step
      await this.#pace.step()
    }
  }

  #complete(tuned: TunedModel): void {
    const { job } = this
    writeMetrics(this.#store, job, this.#reports)
    job.trainingLoss = this.#reports.at(-1)?.train.loss
    job.validationLoss = this.#reports.at(-1)?.fullValid?.loss
    job.output = this.#models.add(job, tuned)
    this.#end('Completed')
  }

  #fail(error: unknown): void {
    this.job.failureMessage =
      error instanceof BadDataset
        ? error.message
        : `Internal error: ${error instanceof Error ? error.message : error}`
    this.#end('Failed')
  }

  async #windDown(): Promise<void> {
    await this.#tempo.sleep('stepMs', this.#abandoned.signal)
    if (!this.#abandoned.signal.aborted) this.#end('Stopped')
  }

  #end(status: JobStatus): void {
    this.#move(status)
    this.job.endedAt = this.job.modifiedAt
  }

  /** The job's status is also that of the phase that is under way. */
  #move(status: JobStatus): void {
    const { job } = this
    job.status = status
    job.modifiedAt = new Date()
    for (const phase of PHASES) {
      const details = job.phases[phase]
      if (details.status === 'InProgress' || details.status === 'Stopping') {
        job.phases[phase] = { ...details, status, lastModifiedTime: job.modifiedAt }
      }
    }
  }
}
