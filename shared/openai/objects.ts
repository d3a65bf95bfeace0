/**
 * The objects of OpenAI's API as the gateway answers them. Times are Unix seconds.
 * `test/types.test.ts` holds them against the official SDK's types at compile time.
 * @module
 */

import type { SourceFormat } from './datasets.ts'

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
  /** Only of a dataset that came in another format and is kept as chat JSONL. */
  tunegate?: { source_format: SourceFormat }
}

export type UploadStatus = 'pending' | 'completed' | 'cancelled' | 'expired'

/** A part of an upload, as the gateway tells of it beside OpenAI's fields. */
export interface UploadPartState {
  id: string
  /** From 1; only of parts that go straight to the bucket. */
  number?: number
  bytes: number
  has_arrived: boolean
  /** How a part that has not arrived gets to the bucket. */
  method?: 'PUT'
  url?: string
  headers?: Record<string, string>
  /** When the URL ends. */
  expires_at?: number
}

export interface UploadObject {
  id: string
  object: 'upload'
  /** What the file is to have. */
  bytes: number
  created_at: number
  expires_at: number
  filename: string
  purpose: FilePurpose
  status: UploadStatus
  /** Once it is completed. */
  file?: FileObject
  /** While it is pending. */
  tunegate?: { parts: UploadPartState[] }
}

export interface UploadPartObject {
  id: string
  object: 'upload.part'
  created_at: number
  upload_id: string
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

/** From the least to the most that is likely. */
export interface Range {
  low: number
  expected: number
  high: number
}

/** A price, and where it is from. */
export interface PriceObject {
  usd: number
  /** Units the price is for. */
  per: number
  unit: string
  region: string | null
  source: string
  as_of: string
}

/** What a job is estimated to train, and to cost. Unknown prices are null, with the reason beside them. */
export interface JobEstimate {
  tokens: {
    /** Of the training file, once. */
    dataset: number
    counter: string
    /** Whether every text was counted as the model reads it. */
    exact: boolean
    /** Relative, of the dataset's tokens. */
    error: number
    /** Dataset times epochs. */
    trained: Range
  }
  epochs: {
    value: number
    low: number
    high: number
    source: 'request' | 'provider_default'
    rule: string | null
  }
  price: PriceObject | null
  price_missing: string | null
  usd: Range | null
}

/** What training would be at one connection. */
export interface ConnectionEstimate extends Omit<JobEstimate, 'tokens'> {
  provider: string
  connection: string
  model: string
  tokens: JobEstimate['tokens'] & { per_epoch: number }
  /** What the tune costs while it is deployed. */
  hosting: { usd_per_hour: number; region: string | null; source: string; as_of: string } | null
  hosting_missing: string | null
  minutes: Range | null
  assumptions: string[]
  warnings: string[]
  unsupported: null
}

/** A connection that training cannot be estimated for, and why. */
export interface NoEstimate {
  provider: string
  connection: string
  model: string
  unsupported: string
}

export interface EstimateObject {
  object: 'fine_tuning.estimate'
  model: string
  training_file: string
  /** As the first connection that can train counts it; null where none can. */
  dataset: {
    bytes: number
    examples: number
    tokens: number
    counter: string
    exact: boolean
    error: number
    /** Longer than the model's window; what is beyond it is not counted. */
    truncated_examples: number
    images: number
    /** Bytes that were counted, where they are not all. */
    sampled_bytes: number | null
  } | null
  estimates: (ConnectionEstimate | NoEstimate)[]
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
    /** Every provider the job has been tried at, oldest first; the last one is the job's own. */
    attempts: JobAttempt[]
    /** Whether the job has outlived its deadline. */
    is_overdue: boolean
    /** The expected one of `estimate.usd`. */
    estimated_cost_usd: number | null
    estimate: JobEstimate | null
    /** Why there is no estimate. */
    estimate_missing: string | null
    /** What all attempts have cost: what providers say they trained, at the prices of the estimates. Null until the job is over, and where any of it is not known. */
    cost_usd: number | null
    /** Set aside in budgets for the attempt under way: the high figure of its estimate. */
    reserved_usd: number
    budget_limit_usd: number | null
    /** The gateway key that asked for it. */
    key_id: string | null
    /** Where its end is told, beside the owner's endpoints. */
    webhook_url: string | null
  }
}

/** One provider's turn at a job. */
export interface JobAttempt {
  provider: string
  connection: string
  /** As the provider names it. */
  model: string
  native_id: string | null
  started_at: number
  ended_at: number | null
  /** `open` while it lasts, then the job's own end, or why the next provider had its turn. */
  outcome: string
  error: { code: string; message: string; param: string | null } | null
  /** Null while it lasts, and where it is not known. */
  cost_usd: number | null
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
  /** Only of tunes. */
  tunegate?: {
    provider: string
    connection: string
    base_model: string
    fine_tuning_job_id: string
    /** From when on its provider serves neither the base model nor its tunes; null where no date is known. */
    retires_at: number | null
  }
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
