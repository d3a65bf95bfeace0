/** Jobs and chats that are refused: each by its 4xx, naming what is wrong, and nothing comes of any. */
import { beforeAll, describe, expect, it } from 'vitest'
import { isOnLambda, itIsJudged, type Owner, type RawOptions, useBench } from './support/bench.ts'
import { datasetFile, uploaded } from './support/data.ts'

const bench = useBench()

const ids = { file: '', deleted: '', batch: '', foreign: '' }
let owner: Owner

beforeAll(async () => {
  owner = await bench.owner()
  const other = await bench.owner()
  ids.file = (await uploaded(owner.client)).id
  ids.deleted = (await uploaded(owner.client)).id
  await owner.client.files.delete(ids.deleted)
  ids.batch = (await owner.client.files.create({ file: datasetFile(), purpose: 'batch' })).id
  ids.foreign = (await uploaded(other.client)).id
})

const pairs = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`key${index}`, 'v']))
const job = (fields: object = {}) => ({ model: 'gpt-4.1-mini', training_file: ids.file, ...fields })
const supervised = (hyperparameters: object) => ({
  method: { type: 'supervised', supervised: { hyperparameters } },
})
const GRADER = { type: 'string_check', name: 'n', input: 'i', reference: 'r', operation: 'eq' }
const dpo = (hyperparameters: object) => ({ method: { type: 'dpo', dpo: { hyperparameters } } })
const reinforcement = (fields: object) => ({
  model: 'o4-mini',
  method: { type: 'reinforcement', reinforcement: { grader: GRADER, ...fields } },
})
const CHAT = { model: 'gpt-4.1-mini', messages: [{ role: 'user', content: 'hi' }] }
const SUPERVISED = 'method.supervised.hyperparameters'

type Row = [
  what: string,
  body: () => object,
  status: number,
  code: string,
  param: string | null,
  message?: RegExp,
]

const JOBS: Row[] = [
  ['no model', () => ({ training_file: ids.file }), 400, 'missing_required_parameter', 'model', /'model'/],
  ['a model that is a number', () => job({ model: 4 }), 400, 'invalid_value', 'model'],
  ['an empty model', () => job({ model: '' }), 400, 'invalid_value', 'model'],
  ['no training file', () => ({ model: 'gpt-4.1' }), 400, 'missing_required_parameter', 'training_file'],
  [
    'an unknown file id',
    () => job({ training_file: 'file-none' }),
    404,
    'file_not_found',
    'training_file',
    /'file-none'/,
  ],
  [
    "someone else's file id",
    () => job({ training_file: ids.foreign }),
    404,
    'file_not_found',
    'training_file',
  ],
  ['a deleted file', () => job({ training_file: ids.deleted }), 404, 'file_deleted', 'training_file'],
  [
    'a file of another purpose',
    () => job({ training_file: ids.batch }),
    400,
    'file_purpose_invalid',
    'training_file',
    /'batch'.*'fine-tune'/,
  ],
  [
    'an unknown validation file',
    () => job({ validation_file: 'file-none' }),
    404,
    'file_not_found',
    'validation_file',
  ],
  [
    "someone else's validation file",
    () => job({ validation_file: ids.foreign }),
    404,
    'file_not_found',
    'validation_file',
  ],
  [
    'a deleted validation file',
    () => job({ validation_file: ids.deleted }),
    404,
    'file_deleted',
    'validation_file',
  ],
  [
    'n_epochs: "three"',
    () => job(supervised({ n_epochs: 'three' })),
    400,
    'invalid_value',
    `${SUPERVISED}.n_epochs`,
    /'auto' or an integer from 1 to 50/,
  ],
  [
    'n_epochs: 0',
    () => job(supervised({ n_epochs: 0 })),
    400,
    'invalid_value',
    `${SUPERVISED}.n_epochs`,
    />=1\b/,
  ],
  [
    'n_epochs: 51',
    () => job(supervised({ n_epochs: 51 })),
    400,
    'invalid_value',
    `${SUPERVISED}.n_epochs`,
    /<=50\b/,
  ],
  ['n_epochs: 1.5', () => job(supervised({ n_epochs: 1.5 })), 400, 'invalid_value', `${SUPERVISED}.n_epochs`],
  [
    'deprecated n_epochs: "three"',
    () => job({ hyperparameters: { n_epochs: 'three' } }),
    400,
    'invalid_value',
    'hyperparameters.n_epochs',
    /1 to 50/,
  ],
  [
    'deprecated n_epochs: 0',
    () => job({ hyperparameters: { n_epochs: 0 } }),
    400,
    'invalid_value',
    'hyperparameters.n_epochs',
    />=1\b/,
  ],
  [
    'batch_size: 257',
    () => job(supervised({ batch_size: 257 })),
    400,
    'invalid_value',
    `${SUPERVISED}.batch_size`,
    /<=256\b/,
  ],
  [
    'learning_rate_multiplier: 0',
    () => job(supervised({ learning_rate_multiplier: 0 })),
    400,
    'invalid_value',
    `${SUPERVISED}.learning_rate_multiplier`,
    />0\b/,
  ],
  ['beta: 3', () => job(dpo({ beta: 3 })), 400, 'invalid_value', 'method.dpo.hyperparameters.beta', /<=2\b/],
  [
    'an unknown hyperparameter',
    () => job(supervised({ warmup: 1 })),
    400,
    'unknown_parameter',
    `${SUPERVISED}.warmup`,
    /warmup/,
  ],
  [
    'a reinforcement without a grader',
    () => job(reinforcement({ grader: undefined })),
    400,
    'missing_required_parameter',
    'method.reinforcement.grader',
  ],
  [
    'a reasoning effort that is none',
    () => job(reinforcement({ hyperparameters: { reasoning_effort: 'huge' } })),
    400,
    'invalid_value',
    'method.reinforcement.hyperparameters.reasoning_effort',
    /'low', 'medium', 'high'/,
  ],
  [
    'an unknown method',
    () => job({ method: { type: 'magic' } }),
    400,
    'invalid_value',
    'method.type',
    /'supervised'.*'dpo'.*'reinforcement'/,
  ],
  [
    'a method without its type',
    () => job({ method: { supervised: {} } }),
    400,
    'missing_required_parameter',
    'method.type',
  ],
  [
    'a method the model is not trained with',
    () => job({ method: { type: 'reinforcement', reinforcement: { grader: GRADER } } }),
    400,
    'invalid_value',
    'method.type',
    /supervised, dpo/,
  ],
  [
    'a method and the deprecated hyperparameters',
    () => job({ ...supervised({}), hyperparameters: {} }),
    400,
    'invalid_value',
    'hyperparameters',
    /method/,
  ],
  ['a suffix of 65 characters', () => job({ suffix: 'x'.repeat(65) }), 400, 'invalid_value', 'suffix', /64/],
  ['an empty suffix', () => job({ suffix: '' }), 400, 'invalid_value', 'suffix'],
  ['a negative seed', () => job({ seed: -1 }), 400, 'invalid_value', 'seed'],
  ['a seed of 32 bits', () => job({ seed: 2 ** 31 }), 400, 'invalid_value', 'seed', /2147483647/],
  ['17 pairs of metadata', () => job({ metadata: pairs(17) }), 400, 'invalid_value', 'metadata', /16/],
  [
    'a metadata key of 65 characters',
    () => job({ metadata: { ['k'.repeat(65)]: 'v' } }),
    400,
    'invalid_value',
    `metadata.${'k'.repeat(65)}`,
  ],
  [
    'a metadata value of 513 characters',
    () => job({ metadata: { key: 'v'.repeat(513) } }),
    400,
    'invalid_value',
    'metadata.key',
    /512/,
  ],
  [
    'a metadata value that is a number',
    () => job({ metadata: { key: 1 } }),
    400,
    'invalid_value',
    'metadata.key',
  ],
  [
    "the gateway's own metadata key",
    () => job({ metadata: { tunegate_job: 'x' } }),
    400,
    'invalid_value',
    'metadata',
    /tunegate_job/,
  ],
  [
    'an unknown integration',
    () => job({ integrations: [{ type: 'mlflow' }] }),
    400,
    'invalid_value',
    'integrations[0].type',
    /'wandb'/,
  ],
  [
    'six integrations',
    () => job({ integrations: Array(6).fill({ type: 'wandb', wandb: { project: 'p' } }) }),
    400,
    'invalid_value',
    'integrations',
    /5/,
  ],
  ['an unknown field', () => job({ colour: 'red' }), 400, 'unknown_parameter', 'colour', /'colour'/],
  ['a list in place of an object', () => [job()], 400, 'invalid_value', null],
]

const BOTH: Row[] = [
  [
    'an unknown provider',
    () => ({ provider: 'nowhere' }),
    400,
    'invalid_value',
    'provider',
    /'nowhere'.*openai/,
  ],
  [
    'an unknown custom_llm_provider',
    () => ({ custom_llm_provider: 'nowhere' }),
    400,
    'invalid_value',
    'custom_llm_provider',
    /openai/,
  ],
  [
    "a provider's key, which this deployment does not take",
    () => ({ api_key: 'sk-mine' }),
    403,
    'permission_denied',
    'api_key',
  ],
  [
    "a provider's host, which this deployment does not take",
    () => ({ api_base: 'https://example.com/v1' }),
    403,
    'permission_denied',
    'api_base',
  ],
  ['a timeout of 0', () => ({ timeout: 0 }), 400, 'invalid_value', 'timeout'],
  ['a timeout that is a word', () => ({ timeout: 'long' }), 400, 'invalid_value', 'timeout'],
]

const CHATS: Row[] = [
  ['no model', () => ({ messages: CHAT.messages }), 400, 'missing_required_parameter', 'model'],
  ['an empty model', () => ({ ...CHAT, model: '' }), 400, 'invalid_value', 'model'],
  ['no messages', () => ({ model: 'gpt-4.1' }), 400, 'missing_required_parameter', 'messages'],
  ['an empty list of messages', () => ({ ...CHAT, messages: [] }), 400, 'invalid_value', 'messages'],
  [
    'a message without a role',
    () => ({ ...CHAT, messages: [{ content: 'x' }] }),
    400,
    'missing_required_parameter',
    'messages[0].role',
  ],
  ['stream: "yes"', () => ({ ...CHAT, stream: 'yes' }), 400, 'invalid_value', 'stream'],
]

/** What a body of JSON may have: the gateway's limit, or what CloudFront lets through to Lambda. */
const MOST_BYTES = isOnLambda ? /6225920/ : /33554432/

/** Everything is as it was, here and at the provider. */
const refused = async (path: string, options: RawOptions, expected: Omit<Row, 0 | 1> | Row) => {
  const [, , status, code, param, message] = expected as Row
  const before = bench.stored()
  const sent = bench.watch()
  const answer = await bench.raw(path, { key: owner.key, ...options })
  expect(answer).toMatchObject({ status, error: { code, param } })
  if (message) expect(answer.error.message).toMatch(message)
  expect(bench.stored()).toEqual(before)
  expect(sent()).toEqual([])
}

const PATHS = [
  ['/v1/fine_tuning/jobs', job],
  ['/v1/chat/completions', () => CHAT],
] as const

describe('POST /v1/fine_tuning/jobs refuses', () => {
  it.each(JOBS)('%s', (...row) => refused('/v1/fine_tuning/jobs', { body: row[1]() }, row))
})

describe('POST /v1/chat/completions refuses', () => {
  it.each(CHATS)('%s', (...row) => refused('/v1/chat/completions', { body: row[1]() }, row))
})

describe.each(PATHS)('POST %s refuses', (path, good) => {
  it.each(BOTH)('%s', (...row) => refused(path, { body: { ...good(), ...row[1]() } }, row))

  const JSON_TYPE = { 'content-type': 'application/json' }
  it.each([
    ['malformed JSON', '{"model": "gpt-4.1", ', JSON_TYPE],
    ['an empty body', '', JSON_TYPE],
    ['JSON that does not say so', JSON.stringify(CHAT), { 'content-type': 'text/plain' }],
    ['a form', 'model=gpt-4.1', { 'content-type': 'application/x-www-form-urlencoded' }],
  ])('%s', (what, body, headers) =>
    refused(path, { method: 'POST', body, headers }, [
      what,
      () => ({}),
      400,
      'invalid_json',
      null,
      /JSON|json/,
    ]),
  )

  it('a body beyond the limit, by 413 and the limit', async () => {
    const body = JSON.stringify({ ...good(), padding: 'x'.repeat(32 * 2 ** 20) })
    await refused(path, { method: 'POST', body, headers: JSON_TYPE }, [
      '',
      () => ({}),
      413,
      'body_too_large',
      null,
      MOST_BYTES,
    ])
  })
})

describe('a path that is none', () => {
  it.each([
    ['GET', '/v1/nothing'],
    ['GET', '/'],
    ['POST', '/v1/fine_tuning'],
    ['GET', '/v1/chat/completions/extra'],
  ])('%s %s is answered 404', (method, path) =>
    refused(path, { method }, ['', () => ({}), 404, 'unknown_url', null, new RegExp(`${method} ${path}`)]),
  )

  it.each([
    ['GET', '/v1/chat/completions', 'POST'],
    ['DELETE', '/v1/files', 'GET, POST'],
    ['PUT', '/v1/models/gpt-4.1', 'DELETE, GET'],
    ['GET', '/v1/uploads/upload_1/parts', 'POST'],
  ])('%s %s is answered 405 with what is allowed', async (method, path, allowed) => {
    const answer = await bench.raw(path, { key: owner.key, method })
    expect(answer).toMatchObject({ status: 405, error: { code: 'method_not_allowed' } })
    expect(answer.headers.get('allow')?.split(', ').toSorted().join(', ')).toBe(allowed)
  })
})

itIsJudged(bench)
