/** What happens to a tuning job between its creation and its end. */
import { Pace, Stopped, type Tempo } from '../../tempo.ts'
import { type StepReport, stepsIn, train } from '../../trainer/train.ts'
import { BASE_LEARNING_RATE, prepareTuning, type Tuning } from '../../trainer/tune.ts'
import { snapshot } from '../../trainer/tuned-model.ts'
import type { StatusName } from '../errors.ts'
import type { Bucket } from '../storage/bucket.ts'
import { numericId } from '../wire.ts'
import { BadDataset, type Dataset, readDataset } from './dataset.ts'
import { type Checkpoint, type Registry, weightsOf } from './models.ts'
import { type JobState, TERMINAL, type TuningJob, type TuningState } from './tuning-job.ts'

const MOST_CHECKPOINTS = 10
const MOST_VALIDATION_EXAMPLES = 5_000
const AUTO_BETA = 0.1
/** The service lets nobody choose; so the same data always makes the same model. */
const SEED = 20_261_120

const clamp = (value: number, least: number, most: number): number => Math.min(most, Math.max(least, value))

/** Drives one job. Every change of the record happens here, between two awaits, so readers never see it half done. */
export class TuningLife {
  readonly job: TuningJob
  readonly #bucket: Bucket
  readonly #registry: Registry
  readonly #tempo: Tempo
  readonly #pace: Pace
  readonly #abandoned = new AbortController()
  #checkpoints: Checkpoint[] = []

  constructor(job: TuningJob, bucket: Bucket, registry: Registry, tempo: Tempo) {
    this.job = job
    this.#bucket = bucket
    this.#registry = registry
    this.#tempo = tempo
    this.#pace = new Pace(tempo)
  }

  /** Stops the work at once, and is cancelled a step's time later. */
  async cancel(): Promise<void> {
    if (TERMINAL.has(this.job.state) || this.job.state === 'JOB_STATE_CANCELLING') return
    this.#pace.stop()
    this.#move('JOB_STATE_CANCELLING')
    await this.#tempo.sleep('stepMs', this.#abandoned.signal)
    this.#end('JOB_STATE_CANCELLED', { status: 'CANCELLED', message: 'The tuning job was cancelled.' })
  }

  /** Stops without a trace: the server closes or forgets everything. */
  abandon(): void {
    this.#pace.stop()
    this.#abandoned.abort()
  }

  /** Runs the job to its end. Never rejects: whatever goes wrong becomes the job's error. */
  async run(): Promise<void> {
    try {
      await this.#pace.step()
      this.#move('JOB_STATE_PENDING', 'TUNING_JOB_STATE_WAITING_FOR_QUOTA')
      await this.#pace.step()
      this.job.startedAt = new Date()
      this.#move('JOB_STATE_RUNNING', 'TUNING_JOB_STATE_PROCESSING_DATASET')
      await this.#pace.step()
      const { training, validation } = await this.#read()
      this.#move('JOB_STATE_RUNNING', 'TUNING_JOB_STATE_WAITING_FOR_CAPACITY')
      await this.#pace.step()
      await this.#tune(training, validation)
    } catch (error) {
      if (error instanceof Stopped) return
      this.#end('JOB_STATE_FAILED', errorOf(error))
    }
  }

  async #read(): Promise<{ training: Dataset; validation: Dataset | undefined }> {
    const { spec } = this.job.request
    const training = await this.#dataset(spec.trainingDatasetUri)
    const validation =
      spec.validationDatasetUri === undefined ? undefined : await this.#dataset(spec.validationDatasetUri)
    if (validation && validation.lines.length > MOST_VALIDATION_EXAMPLES) {
      throw new BadDataset(`The validation dataset has more than ${MOST_VALIDATION_EXAMPLES} examples.`)
    }
    return { training, validation }
  }

  async #dataset(uri: string): Promise<Dataset> {
    const [, bucket = '', name = ''] = /^gs:\/\/([^/]+)\/(.+)$/.exec(uri) ?? []
    const object = bucket === this.#bucket.name ? this.#bucket.get(name) : undefined
    if (!object) throw new Missing(`The dataset ${uri} was not found, or the service agent cannot read it.`)
    try {
      return await readDataset(object.bytes, this.job.request.spec.method, () => this.#pace.breathe())
    } catch (error) {
      throw error instanceof BadDataset ? new BadDataset(`${uri}: ${error.message}`) : error
    }
  }

  async #tune(training: Dataset, validation: Dataset | undefined): Promise<void> {
    const { job } = this
    const { hyperParameters: asked, method } = job.request.spec
    const count = training.examples.length
    const epochs = asked.epochCount ?? clamp(Math.round(45_000 / count), 3, 10)
    const multiplier = asked.learningRateMultiplier ?? 1
    const beta = asked.beta ?? AUTO_BETA
    job.hyperparameters = {
      epochCount: epochs,
      learningRateMultiplier: multiplier,
      adapterSize: asked.adapterSize ?? 'ADAPTER_SIZE_FOUR',
      ...(method === 'preference' && { beta }),
    }
    const plan = {
      epochs,
      // Not to be set by the caller: about 250 steps to an epoch.
      batchSize: clamp(Math.round(count / 250), 4, 256),
      learningRate: BASE_LEARNING_RATE * multiplier,
      seed: SEED,
    }
    job.dataset = { data: training, steps: stepsIn(count, plan).total, epochs }
    const tuning = await prepareTuning(
      {
        examples: training.examples,
        validation: validation?.examples ?? [],
        beta,
        ...(job.from && { from: job.from.checkpoint.tuned }),
      },
      () => this.#pace.breathe(),
    )
    this.#move('JOB_STATE_RUNNING', 'TUNING_JOB_STATE_TUNING')
    for (const report of train(tuning.model.weights, tuning.examples, tuning.validation, plan)) {
      if (report.kind === 'working') {
        await this.#pace.breathe()
        continue
      }
      this.#record(report, tuning)
      await this.#pace.step()
    }
    this.#move('JOB_STATE_RUNNING', 'TUNING_JOB_STATE_POST_PROCESSING')
    await this.#pace.step()
    this.#succeed()
  }

  #record({ step, epoch, endsEpoch, batch, train, valid }: StepReport, { model }: Tuning): void {
    const { job } = this
    job.metrics.push({ step, examples: batch.length, train, valid })
    job.completed = { steps: step, epochs: endsEpoch ? epoch : epoch - 1 }
    job.updatedAt = new Date()
    if (!endsEpoch) return
    this.#checkpoints.push({
      ...weightsOf(snapshot(model)),
      checkpointId: String(epoch),
      epoch,
      step,
      endpointId: numericId(),
    })
    const kept = job.request.spec.exportLastCheckpointOnly ? 1 : MOST_CHECKPOINTS
    this.#checkpoints = this.#checkpoints.slice(-kept)
  }

  #succeed(): void {
    const { job } = this
    job.model = {
      id: numericId(),
      region: job.region,
      displayName: job.request.tunedModelDisplayName ?? `tuned-${job.base.id}-${job.id}`,
      labels: job.request.labels,
      base: job.base,
      createdAt: new Date(),
      checkpoints: this.#checkpoints,
    }
    this.#registry.add(job.model)
    this.#end('JOB_STATE_SUCCEEDED')
  }

  #end(state: JobState, error?: TuningJob['error']): void {
    if (this.#abandoned.signal.aborted) return
    this.job.error = error
    this.job.endedAt = new Date()
    this.#move(state)
  }

  #move(state: JobState, tuningState?: TuningState): void {
    this.job.state = state
    this.job.tuningState = tuningState
    this.job.updatedAt = new Date()
  }
}

/** A dataset is not where the job says. */
class Missing extends Error {
  override readonly name = 'Missing'
}

function errorOf(error: unknown): { status: StatusName; message: string } {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof BadDataset) return { status: 'INVALID_ARGUMENT', message }
  return { status: error instanceof Missing ? 'NOT_FOUND' : 'INTERNAL', message }
}
