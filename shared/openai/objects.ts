/**
 * The objects of OpenAI's API as the gateway answers them. Times are Unix seconds.
 * `test/types.test.ts` holds them against the official SDK's types at compile time.
 * @module
 */

export type JobStatus = 'validating_files' | 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled'

/** States a job never leaves. */
export const TERMINAL_STATUSES: readonly JobStatus[] = ['succeeded', 'failed', 'cancelled']

export type FilePurpose = 'assistants' | 'batch' | 'fine-tune' | 'fine-tune-results'

/** What a caller may upload. `fine-tune-results` is made by jobs. */
export const UPLOAD_PURPOSES = ['assistants', 'batch', 'fine-tune'] as const

export interface FileObject {
  id: string
  object: 'file'
  /** Size in bytes. */
  bytes: number
  created_at: number
  expires_at?: number
  filename: string
  purpose: FilePurpose
  status: 'uploaded' | 'processed' | 'error'
}

export type Auto<T> = 'auto' | T

export interface Hyperparameters {
  n_epochs?: Auto<number>
  batch_size?: Auto<number>
  learning_rate_multiplier?: Auto<number>
}
export interface DpoHyperparameters extends Hyperparameters {
  beta?: Auto<number>
}
export interface ReinforcementHyperparameters extends Hyperparameters {
  reasoning_effort?: 'default' | 'low' | 'medium' | 'high'
  compute_multiplier?: Auto<number>
  eval_interval?: Auto<number>
  eval_samples?: Auto<number>
}

export interface WandbIntegration {
  type: 'wandb'
  wandb: { project: string; name?: string | null; entity?: string | null; tags?: string[] }
}

export interface JobObject<Method = unknown> {
  id: string
  object: 'fine_tuning.job'
  created_at: number
  error: { code: string; message: string; param: string | null } | null
  fine_tuned_model: string | null
  finished_at: number | null
  estimated_finish?: number | null
  hyperparameters: Hyperparameters
  integrations: WandbIntegration[] | null
  metadata: Record<string, string> | null
  method?: Method
  model: string
  organization_id: string
  result_files: string[]
  seed: number
  status: JobStatus
  trained_tokens: number | null
  training_file: string
  validation_file: string | null
  tunegate: {
    provider: string
    connection: string
    native_id: string | null
    native_status: string | null
    /** When the provider was last asked, or null. The rest of the job is as of then. */
    polled_at: number | null
    /** Where its end is told, beside the owner's endpoints. */
    webhook_url: string | null
  }
}

/** Metric names are OpenAI's own: `step`, `train_loss`, `valid_loss`… */
export interface JobEvent {
  id: string
  object: 'fine_tuning.job.event'
  created_at: number
  level: 'info' | 'warn' | 'error'
  message: string
  type: 'message' | 'metrics'
  data: Record<string, unknown>
}

export interface CheckpointObject {
  id: string
  object: 'fine_tuning.job.checkpoint'
  created_at: number
  fine_tuned_model_checkpoint: string
  fine_tuning_job_id: string
  step_number: number
  metrics: Record<string, number>
}

export interface ModelObject {
  id: string
  object: 'model'
  /** Unix seconds. */
  created: number
  owned_by: string
}

export interface List<T> {
  object: 'list'
  data: T[]
  has_more: boolean
}

/** A list whose envelope also names its ends, as files and checkpoints have it. */
export interface EndedList<T> extends List<T> {
  first_id: string
  last_id: string
}
