import { describe, expect, it } from 'vitest'
import * as z from 'zod'
import {
  ApiError,
  check,
  checkpointsQuery,
  eventsQuery,
  filesQuery,
  JOB_LABEL,
  jobRequest,
  jobsQuery,
  keyRequest,
  uploadFields,
} from '../../shared/openai/index.ts'
import { bodyOf } from './support/recordings.ts'

const base = { model: 'gpt-4.1-mini', training_file: 'file-1' }
const supervised = (hyperparameters: unknown) => ({
  ...base,
  method: { type: 'supervised', supervised: { hyperparameters } },
})
const dpo = (hyperparameters: unknown) => ({ ...base, method: { type: 'dpo', dpo: { hyperparameters } } })
const grader = {
  type: 'string_check',
  name: 'g',
  operation: 'eq',
  input: '{{sample.output_text}}',
  reference: '{{item.a}}',
}
const reinforcement = (hyperparameters: unknown) => ({
  ...base,
  method: { type: 'reinforcement', reinforcement: { grader, hyperparameters } },
})
const pairs = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']))
const wandb = (wandb: unknown) => ({ ...base, integrations: [{ type: 'wandb', wandb }] })

const refusal = (schema: Parameters<typeof check>[0], body: unknown): unknown => {
  try {
    return check(schema, body)
  } catch (error) {
    return error
  }
}

const AUTO = /'auto' or |>=|<=|>|integer|int/
const MISSING = /^Missing required parameter: '.+'\.$/
const UNKNOWN = /^Unknown parameter: '.+'\.$/
const ONE_OF = /one of '|Expected '/
const INVALID = /^Invalid value for '.+': .+\.$/

const BAD: [string, unknown, string | null, string, RegExp][] = [
  ['no model', { training_file: 'f' }, 'model', 'missing_required_parameter', MISSING],
  ['no training file', { model: 'm' }, 'training_file', 'missing_required_parameter', MISSING],
  ['nothing', {}, 'model', 'missing_required_parameter', MISSING],
  ['a list', [base], null, 'invalid_value', /object/],
  ['a string', 'gpt-4.1-mini', null, 'invalid_value', /object/],
  ['a number', 3, null, 'invalid_value', /object/],
  ['null', null, null, 'invalid_value', /object/],
  ['true', true, null, 'invalid_value', /object/],
  ['a model of null', { ...base, model: null }, 'model', 'invalid_value', /string/],
  ['a model of nothing', { ...base, model: '' }, 'model', 'invalid_value', INVALID],
  ['a model that is a number', { ...base, model: 4 }, 'model', 'invalid_value', /string/],
  ['a model of 257 characters', { ...base, model: 'm'.repeat(257) }, 'model', 'invalid_value', /256/],
  ['a training file of null', { ...base, training_file: null }, 'training_file', 'invalid_value', /string/],
  ['a list of training files', { ...base, training_file: ['f'] }, 'training_file', 'invalid_value', /string/],
  [
    'a validation file of nothing',
    { ...base, validation_file: '' },
    'validation_file',
    'invalid_value',
    INVALID,
  ],
  ['a suffix of 65 characters', { ...base, suffix: 'x'.repeat(65) }, 'suffix', 'invalid_value', /64/],
  ['a suffix of nothing', { ...base, suffix: '' }, 'suffix', 'invalid_value', INVALID],
  ['a suffix that is a number', { ...base, suffix: 7 }, 'suffix', 'invalid_value', /string/],
  ['a seed of -1', { ...base, seed: -1 }, 'seed', 'invalid_value', /0/],
  ['a seed of 1.5', { ...base, seed: 1.5 }, 'seed', 'invalid_value', /int/],
  ['a seed of 2^31', { ...base, seed: 2 ** 31 }, 'seed', 'invalid_value', /2147483647/],
  ['a seed that is a string', { ...base, seed: '7' }, 'seed', 'invalid_value', /number/],
  ['metadata of 17 pairs', { ...base, metadata: pairs(17) }, 'metadata', 'invalid_value', /16/],
  [
    'a metadata key of 65 characters',
    { ...base, metadata: { ['k'.repeat(65)]: 'v' } },
    `metadata.${'k'.repeat(65)}`,
    'invalid_value',
    /64/,
  ],
  [
    'a metadata value of 513 characters',
    { ...base, metadata: { k: 'v'.repeat(513) } },
    'metadata.k',
    'invalid_value',
    /512/,
  ],
  [
    'a metadata value that is a number',
    { ...base, metadata: { k: 1 } },
    'metadata.k',
    'invalid_value',
    /string/,
  ],
  ['a metadata value of null', { ...base, metadata: { k: null } }, 'metadata.k', 'invalid_value', /string/],
  ['metadata in metadata', { ...base, metadata: { k: {} } }, 'metadata.k', 'invalid_value', /string/],
  ['a list of metadata', { ...base, metadata: ['v'] }, 'metadata', 'invalid_value', INVALID],
  [
    "the key that is the gateway's own",
    { ...base, metadata: { [JOB_LABEL]: 'x' } },
    'metadata',
    'invalid_value',
    /tunegate_job/,
  ],
  ['integrations that are none', { ...base, integrations: {} }, 'integrations', 'invalid_value', /array/],
  [
    'another integration',
    { ...base, integrations: [{ type: 'mlflow' }] },
    'integrations[0].type',
    'invalid_value',
    ONE_OF,
  ],
  ['an integration of null', { ...base, integrations: [null] }, 'integrations[0]', 'invalid_value', INVALID],
  [
    'an integration without its object',
    { ...base, integrations: [{ type: 'wandb' }] },
    'integrations[0].wandb',
    'missing_required_parameter',
    MISSING,
  ],
  [
    'an integration without a project',
    wandb({}),
    'integrations[0].wandb.project',
    'missing_required_parameter',
    MISSING,
  ],
  [
    'an integration with something unknown',
    wandb({ project: 'p', host: 'x' }),
    'integrations[0].wandb.host',
    'unknown_parameter',
    UNKNOWN,
  ],
  [
    'tags that are none',
    wandb({ project: 'p', tags: 'a' }),
    'integrations[0].wandb.tags',
    'invalid_value',
    /array/,
  ],
  [
    'six integrations',
    { ...base, integrations: Array.from({ length: 6 }, () => ({ type: 'wandb', wandb: { project: 'p' } })) },
    'integrations',
    'invalid_value',
    /5/,
  ],
  ['an unknown field', { ...base, n_epochs: 3 }, 'n_epochs', 'unknown_parameter', UNKNOWN],
  [
    'a field of the future',
    { ...base, provider_settings: {} },
    'provider_settings',
    'unknown_parameter',
    UNKNOWN,
  ],
  [
    "a field named as a prototype's",
    { ...base, constructor: 1 },
    'constructor',
    'unknown_parameter',
    UNKNOWN,
  ],
  [
    'a field named __proto__',
    JSON.parse('{"model":"m","training_file":"f","__proto__":{}}'),
    '__proto__',
    'unknown_parameter',
    UNKNOWN,
  ],
  [
    'an unknown hyperparameter',
    supervised({ epochs: 3 }),
    'method.supervised.hyperparameters.epochs',
    'unknown_parameter',
    UNKNOWN,
  ],
  [
    'beta for supervised',
    supervised({ beta: 0.1 }),
    'method.supervised.hyperparameters.beta',
    'unknown_parameter',
    UNKNOWN,
  ],
  [
    'n_epochs "three"',
    supervised({ n_epochs: 'three' }),
    'method.supervised.hyperparameters.n_epochs',
    'invalid_value',
    /'auto' or an integer from 1 to 50/,
  ],
  [
    'n_epochs "3"',
    supervised({ n_epochs: '3' }),
    'method.supervised.hyperparameters.n_epochs',
    'invalid_value',
    AUTO,
  ],
  [
    'n_epochs 0',
    supervised({ n_epochs: 0 }),
    'method.supervised.hyperparameters.n_epochs',
    'invalid_value',
    AUTO,
  ],
  [
    'n_epochs 51',
    supervised({ n_epochs: 51 }),
    'method.supervised.hyperparameters.n_epochs',
    'invalid_value',
    AUTO,
  ],
  [
    'n_epochs 1.5',
    supervised({ n_epochs: 1.5 }),
    'method.supervised.hyperparameters.n_epochs',
    'invalid_value',
    AUTO,
  ],
  [
    'n_epochs null',
    supervised({ n_epochs: null }),
    'method.supervised.hyperparameters.n_epochs',
    'invalid_value',
    AUTO,
  ],
  [
    'n_epochs "Auto"',
    supervised({ n_epochs: 'Auto' }),
    'method.supervised.hyperparameters.n_epochs',
    'invalid_value',
    AUTO,
  ],
  [
    'a batch size of 257',
    supervised({ batch_size: 257 }),
    'method.supervised.hyperparameters.batch_size',
    'invalid_value',
    AUTO,
  ],
  [
    'a batch size of 0',
    dpo({ batch_size: 0 }),
    'method.dpo.hyperparameters.batch_size',
    'invalid_value',
    AUTO,
  ],
  [
    'a multiplier of 0',
    supervised({ learning_rate_multiplier: 0 }),
    'method.supervised.hyperparameters.learning_rate_multiplier',
    'invalid_value',
    AUTO,
  ],
  [
    'a multiplier below 0',
    supervised({ learning_rate_multiplier: -1 }),
    'method.supervised.hyperparameters.learning_rate_multiplier',
    'invalid_value',
    AUTO,
  ],
  ['beta 0', dpo({ beta: 0 }), 'method.dpo.hyperparameters.beta', 'invalid_value', AUTO],
  ['beta 3', dpo({ beta: 3 }), 'method.dpo.hyperparameters.beta', 'invalid_value', AUTO],
  ['beta "high"', dpo({ beta: 'high' }), 'method.dpo.hyperparameters.beta', 'invalid_value', AUTO],
  [
    'hyperparameters of null',
    supervised(null),
    'method.supervised.hyperparameters',
    'invalid_value',
    /object/,
  ],
  [
    'a list of hyperparameters',
    supervised([]),
    'method.supervised.hyperparameters',
    'invalid_value',
    /object/,
  ],
  [
    'effort of no kind',
    reinforcement({ reasoning_effort: 'max' }),
    'method.reinforcement.hyperparameters.reasoning_effort',
    'invalid_value',
    ONE_OF,
  ],
  [
    'a compute multiplier of 0',
    reinforcement({ compute_multiplier: 0 }),
    'method.reinforcement.hyperparameters.compute_multiplier',
    'invalid_value',
    AUTO,
  ],
  [
    'a compute multiplier of 11',
    reinforcement({ compute_multiplier: 11 }),
    'method.reinforcement.hyperparameters.compute_multiplier',
    'invalid_value',
    AUTO,
  ],
  [
    'no evaluation samples',
    reinforcement({ eval_samples: 0 }),
    'method.reinforcement.hyperparameters.eval_samples',
    'invalid_value',
    AUTO,
  ],
  [
    'an interval of 1.5',
    reinforcement({ eval_interval: 1.5 }),
    'method.reinforcement.hyperparameters.eval_interval',
    'invalid_value',
    AUTO,
  ],
  [
    'reinforcement without its object',
    { ...base, method: { type: 'reinforcement' } },
    'method.reinforcement',
    'missing_required_parameter',
    MISSING,
  ],
  [
    'reinforcement without a grader',
    { ...base, method: { type: 'reinforcement', reinforcement: {} } },
    'method.reinforcement.grader',
    'missing_required_parameter',
    MISSING,
  ],
  [
    'a grader without a type',
    { ...base, method: { type: 'reinforcement', reinforcement: { grader: {} } } },
    'method.reinforcement.grader.type',
    'missing_required_parameter',
    MISSING,
  ],
  [
    'another method',
    { ...base, method: { type: 'sft' } },
    'method.type',
    'invalid_value',
    /'supervised'.*'dpo'.*'reinforcement'/,
  ],
  ['a method that is a string', { ...base, method: 'dpo' }, 'method', 'invalid_value', /object/],
  [
    'a method without a type',
    { ...base, method: { supervised: {} } },
    'method.type',
    'missing_required_parameter',
    MISSING,
  ],
  [
    'the object of another method',
    { ...base, method: { type: 'dpo', supervised: {} } },
    'method.supervised',
    'unknown_parameter',
    UNKNOWN,
  ],
  [
    'both method and hyperparameters',
    { ...base, method: { type: 'supervised' }, hyperparameters: {} },
    'hyperparameters',
    'invalid_value',
    /deprecated.*method/,
  ],
  [
    'deprecated n_epochs "three"',
    { ...base, hyperparameters: { n_epochs: 'three' } },
    'hyperparameters.n_epochs',
    'invalid_value',
    AUTO,
  ],
  [
    'deprecated beta',
    { ...base, hyperparameters: { beta: 1 } },
    'hyperparameters.beta',
    'unknown_parameter',
    UNKNOWN,
  ],
  [
    'a host that is none (LiteLLM PYSEC-2026-4070)',
    { ...base, api_base: 'api.example.com' },
    'api_base',
    'invalid_value',
    INVALID,
  ],
  [
    'a host of another scheme',
    { ...base, api_base: 'file:///etc/passwd' },
    'api_base',
    'invalid_value',
    INVALID,
  ],
  ['no time at all', { ...base, timeout: 0 }, 'timeout', 'invalid_value', INVALID],
  ['more than an hour', { ...base, timeout: 3601 }, 'timeout', 'invalid_value', /3600/],
]

describe('a job request that is refused', () => {
  it.each(BAD)('%s', (_, body, param, code, message) => {
    const error = refusal(jobRequest, body)
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error', param, code })
    expect(error).toMatchObject({ message: expect.stringMatching(message) })
    // A sentence that names the field.
    if (param) expect(error).toMatchObject({ message: expect.stringContaining(`'${param}'`) })
    expect(error).toMatchObject({ message: expect.stringMatching(/^[A-Z].*\.$/) })
  })

  it('quotes no credential', () => {
    const secret = 'sk-S3CR3T'
    for (const body of [
      { ...base, api_key: [secret] },
      { ...base, api_key: secret.repeat(1000) },
      { ...base, api_base: secret },
      { ...base, metadata: { k: secret.repeat(100) } },
    ]) {
      const error = refusal(jobRequest, body)
      expect(error).toBeInstanceOf(ApiError)
      expect(JSON.stringify(error instanceof ApiError ? error.toBody() : '')).not.toContain(secret)
    }
  })

  // What zod's records leave out of a JSON object, no schema above them gets to see.
  it.fails('a metadata key named __proto__ is not dropped in silence', () => {
    const metadata = JSON.parse('{"a":"b","__proto__":"x"}')
    const taken = refusal(jobRequest, { ...base, metadata })
    if (!(taken instanceof ApiError)) expect(JSON.stringify(taken)).toContain('__proto__')
  })
})

describe('a choice between shapes that is refused', () => {
  const schema = z.object({
    choice: z.union([z.strictObject({ a: z.object({ b: z.string() }) }), z.strictObject({ c: z.number() })]),
  })
  it('is told by the shape that got furthest', () => {
    expect(refusal(schema, { choice: { a: { b: 1 } } })).toMatchObject({ param: 'choice.a.b' })
    expect(refusal(schema, { choice: { a: {} } })).toMatchObject({
      param: 'choice.a.b',
      code: 'missing_required_parameter',
    })
    expect(refusal(schema, { choice: 'x' })).toMatchObject({ param: 'choice', code: 'invalid_value' })
  })
})

const GOOD: [string, Record<string, unknown>][] = [
  ['the least', base],
  [
    'null where OpenAI has null',
    { ...base, validation_file: null, suffix: null, seed: null, metadata: null, integrations: null },
  ],
  [
    'the longest of all',
    { ...base, suffix: 'x'.repeat(64), seed: 2147483647, metadata: { ['k'.repeat(64)]: 'v'.repeat(512) } },
  ],
  ['the least of all', { ...base, suffix: 'x', seed: 0, metadata: { k: '' }, integrations: [] }],
  ['16 pairs of metadata', { ...base, metadata: pairs(16) }],
  ['a suffix beyond Latin', { ...base, suffix: '漢字-🎈' }],
  ['all auto', supervised({ n_epochs: 'auto', batch_size: 'auto', learning_rate_multiplier: 'auto' })],
  ['the bounds', supervised({ n_epochs: 50, batch_size: 256, learning_rate_multiplier: 0.0001 })],
  ['the other bounds', supervised({ n_epochs: 1, batch_size: 1, learning_rate_multiplier: 100 })],
  ['supervised without more', { ...base, method: { type: 'supervised' } }],
  ['supervised with nothing', { ...base, method: { type: 'supervised', supervised: {} } }],
  ['dpo without more', { ...base, method: { type: 'dpo' } }],
  ['dpo with beta', dpo({ beta: 2, n_epochs: 3 })],
  ['dpo with auto', dpo({ beta: 'auto' })],
  [
    'reinforcement',
    reinforcement({
      reasoning_effort: 'high',
      compute_multiplier: 10,
      eval_interval: 1,
      eval_samples: 'auto',
    }),
  ],
  [
    "a grader of the provider's own",
    {
      ...base,
      method: {
        type: 'reinforcement',
        reinforcement: { grader: { type: 'multi', graders: { a: grader }, calculate_output: 'a' } },
      },
    },
  ],
  ['deprecated hyperparameters', { ...base, hyperparameters: { n_epochs: 3, batch_size: 'auto' } }],
  ['deprecated hyperparameters of nothing', { ...base, hyperparameters: {} }],
  ['an integration', wandb({ project: 'p', name: null, entity: 'e', tags: ['a'] })],
  [
    'what chooses the provider',
    {
      ...base,
      provider: 'openai',
      custom_llm_provider: 'openai',
      timeout: 0.5,
      api_key: 'k',
      api_base: 'https://api.example.com/v1',
    },
  ],
]

describe('a job request that is taken', () => {
  it.each(GOOD)('%s, unchanged', (_, body) => {
    expect(check(jobRequest, body)).toEqual(body)
  })

  it.each(['fine_tuning.jobs.create.supervised', 'fine_tuning.jobs.create.reinforcement'] as const)(
    'as the official client sends it: %s',
    operation => {
      const body = bodyOf(operation)
      expect(check(jobRequest, body)).toEqual(body)
    },
  )
})

describe('queries', () => {
  const cases: [string, Parameters<typeof check>[0], Record<string, string>, unknown][] = [
    ['files', filesQuery, {}, { limit: 10_000, order: 'desc' }],
    [
      'files',
      filesQuery,
      { limit: '1', order: 'asc', after: 'file-1', purpose: 'batch' },
      { limit: 1, order: 'asc', after: 'file-1', purpose: 'batch' },
    ],
    ['files', filesQuery, { limit: '10001' }, 'limit'],
    ['files', filesQuery, { order: 'up' }, 'order'],
    ['files', filesQuery, { page: '2' }, 'page'],
    ['jobs', jobsQuery, {}, { limit: 20 }],
    ['jobs', jobsQuery, { 'metadata[k]': 'v', limit: '100' }, { 'metadata[k]': 'v', limit: 100 }],
    ['jobs', jobsQuery, { limit: '101' }, 'limit'],
    ['events', eventsQuery, {}, { limit: 20 }],
    ['events', eventsQuery, { limit: '50', after: 'ftevent-0' }, { limit: 50, after: 'ftevent-0' }],
    ['events', eventsQuery, { before: 'x' }, 'before'],
    ['checkpoints', checkpointsQuery, {}, { limit: 10 }],
    ['checkpoints', checkpointsQuery, { limit: '0' }, 'limit'],
    ['checkpoints', checkpointsQuery, { limit: '-1' }, 'limit'],
    ['checkpoints', checkpointsQuery, { limit: '1.5' }, 'limit'],
    ['checkpoints', checkpointsQuery, { limit: 'ten' }, 'limit'],
    ['checkpoints', checkpointsQuery, { limit: '' }, 'limit'],
    ['checkpoints', checkpointsQuery, { limit: 'Infinity' }, 'limit'],
    ['checkpoints', checkpointsQuery, { after: '' }, 'after'],
    ['checkpoints', checkpointsQuery, { after: 'x'.repeat(2049) }, 'after'],
  ]
  it.each(cases)('%s %#: %o %j', (_, schema, given, expected) => {
    const result = refusal(schema, given)
    if (typeof expected === 'string') expect(result).toMatchObject({ status: 400, param: expected })
    else expect(result).toEqual(expected)
  })
})

describe("an upload's fields", () => {
  const expiry = { 'expires_after[anchor]': 'created_at', 'expires_after[seconds]': '3600' }
  const cases: [Record<string, string>, string | undefined][] = [
    [{ purpose: 'fine-tune' }, undefined],
    [{ purpose: 'batch', ...expiry }, undefined],
    [{ purpose: 'assistants' }, undefined],
    [{}, 'purpose'],
    [{ purpose: 'vision' }, 'purpose'],
    [{ purpose: 'fine-tune-results' }, 'purpose'],
    [{ purpose: '' }, 'purpose'],
    [{ purpose: 'batch', ...expiry, 'expires_after[seconds]': '3599' }, 'expires_after[seconds]'],
    [{ purpose: 'batch', ...expiry, 'expires_after[seconds]': '2592001' }, 'expires_after[seconds]'],
    [{ purpose: 'batch', ...expiry, 'expires_after[anchor]': 'now' }, 'expires_after[anchor]'],
    [{ purpose: 'batch', model: 'x' }, 'model'],
  ]
  it.each(cases)('%j: %s', (fields, param) => {
    const result = refusal(uploadFields, fields)
    if (param === undefined) expect(result).not.toBeInstanceOf(ApiError)
    else expect(result).toMatchObject({ status: 400, param })
  })

  it('names the purposes there are', () => {
    expect(refusal(uploadFields, { purpose: 'vision' })).toMatchObject({
      message: expect.stringMatching(/'assistants'.*'batch'.*'fine-tune'/),
    })
  })
})

describe('a key request', () => {
  it.each([
    [{ name: 'ci' }, undefined],
    [{ name: 'ci', owner: 'team-a.b_c@d' }, undefined],
    [{}, 'name'],
    [{ name: '' }, 'name'],
    [{ name: 'ci', owner: 'a b' }, 'owner'],
    [{ name: 'ci', owner: 'a#b' }, 'owner'],
    [{ name: 'ci', owner: 'a\n' }, 'owner'],
    [{ name: 'ci', owner: 'x'.repeat(65) }, 'owner'],
    [{ name: 'ci', role: 'admin' }, 'role'],
  ])('%j: %s', (body, param) => {
    const result = refusal(keyRequest, body)
    if (param === undefined) expect(result).toEqual(body)
    else expect(result).toMatchObject({ status: 400, param })
  })
})
