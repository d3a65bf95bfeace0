/**
 * Requests that the official clients (openai 7.55.0: `AzureOpenAI` for the dated surface, `OpenAI` with the resource's v1 base
 * URL) sent to a local server: the facts of each, without what only a client says of itself.
 */
export interface Recorded {
  method: string
  path: string
  query: Record<string, string>
  body?: unknown
}

export const VERSION = '2025-04-01-preview'
export const KEY = 'azkey-fake'
export const ENTRA_TOKEN = 'eyJ.fake.entra'
export const ENTRA_VERSION = '2024-10-21'

/** The dated client showed `api-key` alone; the v1 client showed the key as a Bearer token beside it. */
export type Surface = 'v1' | 'dated'
export const SURFACES: readonly Surface[] = ['v1', 'dated']

const JOB = 'ftjob-abc123'
const FILE = 'file-abc123'

/** Below the surface: what is the same on both. */
const BELOW: Record<string, Recorded> = {
  'files.list': { method: 'GET', path: '/files', query: { purpose: 'fine-tune', limit: '10' } },
  'files.retrieve': { method: 'GET', path: `/files/${FILE}`, query: {} },
  'files.content': { method: 'GET', path: `/files/${FILE}/content`, query: {} },
  'files.delete': { method: 'DELETE', path: `/files/${FILE}`, query: {} },
  'files.create': { method: 'POST', path: '/files', query: {} },
  'fine_tuning.jobs.create.supervised': {
    method: 'POST',
    path: '/fine_tuning/jobs',
    query: {},
    body: {
      model: 'gpt-4.1-mini-2025-04-14',
      training_file: 'file-abc123',
      validation_file: 'file-def456',
      suffix: 'my-suffix',
      seed: 7,
      metadata: { tenant: 't1' },
      method: {
        type: 'supervised',
        supervised: {
          hyperparameters: { n_epochs: 3, batch_size: 'auto', learning_rate_multiplier: 1.5 },
        },
      },
      trainingType: 'globalstandard',
    },
  },
  'fine_tuning.jobs.create.dpo': {
    method: 'POST',
    path: '/fine_tuning/jobs',
    query: {},
    body: {
      model: 'gpt-4.1-mini-2025-04-14',
      training_file: 'file-abc123',
      method: { type: 'dpo', dpo: { hyperparameters: { n_epochs: 2, beta: 0.1 } } },
    },
  },
  'fine_tuning.jobs.create.reinforcement': {
    method: 'POST',
    path: '/fine_tuning/jobs',
    query: {},
    body: {
      model: 'gpt-4.1-mini-2025-04-14',
      training_file: 'file-abc123',
      method: {
        type: 'reinforcement',
        reinforcement: {
          grader: {
            type: 'string_check',
            name: 'g',
            operation: 'eq',
            input: '{{sample.output_text}}',
            reference: '{{item.answer}}',
          },
          hyperparameters: {
            reasoning_effort: 'medium',
            compute_multiplier: 1,
            eval_interval: 5,
            eval_samples: 2,
          },
        },
      },
    },
  },
  'fine_tuning.jobs.list': {
    method: 'GET',
    path: '/fine_tuning/jobs',
    query: { limit: '5', after: 'ftjob-prev', 'metadata[tenant]': 't1' },
  },
  'fine_tuning.jobs.retrieve': { method: 'GET', path: `/fine_tuning/jobs/${JOB}`, query: {} },
  'fine_tuning.jobs.cancel': { method: 'POST', path: `/fine_tuning/jobs/${JOB}/cancel`, query: {} },
  'fine_tuning.jobs.pause': { method: 'POST', path: `/fine_tuning/jobs/${JOB}/pause`, query: {} },
  'fine_tuning.jobs.resume': { method: 'POST', path: `/fine_tuning/jobs/${JOB}/resume`, query: {} },
  'fine_tuning.jobs.events': {
    method: 'GET',
    path: `/fine_tuning/jobs/${JOB}/events`,
    query: { limit: '50', after: 'ftevent-0' },
  },
  'fine_tuning.jobs.checkpoints': {
    method: 'GET',
    path: `/fine_tuning/jobs/${JOB}/checkpoints`,
    query: { limit: '5' },
  },
}

/** Answers that the local server gave, in the shapes that Microsoft's specifications have. */
export const JOB_ANSWER = {
  object: 'fine_tuning.job',
  id: JOB,
  model: 'gpt-4.1-mini-2025-04-14',
  created_at: 1731000000,
  fine_tuned_model: null,
  organization_id: 'org-x',
  result_files: [],
  status: 'validating_files',
  validation_file: null,
  training_file: FILE,
  hyperparameters: { n_epochs: 'auto' },
  trained_tokens: null,
  error: null,
  finished_at: null,
  seed: 7,
  method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 3 } } },
}
export const FILE_ANSWER = {
  id: FILE,
  object: 'file',
  bytes: 10,
  created_at: 1,
  filename: 't.jsonl',
  purpose: 'fine-tune',
  status: 'processed',
}

/** The chat of the recordings, cut to what tells its fields apart; the client's text goes over the wire as it is. */
export const CHAT = {
  model: 'my-deployment',
  messages: [
    { role: 'developer', content: 'Be terse.' },
    {
      role: 'assistant',
      content: null,
      tool_calls: [
        { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } },
      ],
    },
    { role: 'tool', tool_call_id: 'call_1', content: '{"t":3}' },
  ],
  tool_choice: 'auto',
  parallel_tool_calls: false,
  temperature: 0.2,
  stop: ['END'],
  n: 1,
}
export const CHAT_PATH: Record<Surface, string> = {
  v1: '/openai/v1/chat/completions',
  dated: '/openai/deployments/my-deployment/chat/completions',
}

const ROOT: Record<Surface, string> = { v1: '/openai/v1', dated: '/openai' }
const VERSION_QUERY: Record<Surface, Record<string, string>> = { v1: {}, dated: { 'api-version': VERSION } }

/** A recorded request of one surface. */
export const recorded = (surface: Surface, operation: string): Recorded => {
  const request = BELOW[operation]
  if (!request) throw new Error(`nothing recorded of ${operation}`)
  return {
    ...request,
    path: `${ROOT[surface]}${request.path}`,
    query: { ...VERSION_QUERY[surface], ...request.query },
  }
}
export const versionQuery = (surface: Surface) => VERSION_QUERY[surface]
