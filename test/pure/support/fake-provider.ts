/** A provider of which a test decides everything: it has no wire, and does what its `state` says. */
import { ApiError } from '../../../shared/openai/index.ts'
import {
  type ChatRequest,
  type DatasetFormat,
  type Dropped,
  type JobSubmission,
  type NativeCheckpoint,
  type NativeDeployment,
  type NativeJob,
  PROVIDERS,
  type Provider,
  ProviderFault,
} from '../../../shared/providers/index.ts'
import { readAll, streamOf, utf8 } from './bytes.ts'
import { type Bench, json, startBench } from './context.ts'

export const fault = (status: ProviderFault['status'], refused = true): ProviderFault =>
  new ProviderFault('fake', {
    status,
    code: null,
    nativeCode: null,
    message: undefined,
    param: null,
    retryAfter: null,
    refused,
  })

export const nativeJob = (parts: Partial<NativeJob> = {}): NativeJob => ({
  id: 'native-job',
  nativeStatus: 'Completed',
  status: 'succeeded',
  model: 'publishers/fake/base',
  fineTunedModel: 'arn:tune/1',
  finishedAt: null,
  estimatedFinish: null,
  error: null,
  hyperparameters: {},
  method: null,
  resultFiles: [],
  trainedTokens: null,
  seed: null,
  ...parts,
})

export const nativeDeployment = (parts: Partial<NativeDeployment> = {}): NativeDeployment => ({
  id: 'deployment-1',
  nativeStatus: 'Creating',
  status: 'deploying',
  model: 'arn:deployed/1',
  error: null,
  ...parts,
})

export interface FakeState {
  format: DatasetFormat
  /** What `check` finds. */
  dropped: Dropped[]
  job: NativeJob | Error
  checkpoints: NativeCheckpoint[]
  /** What the next look at a deployment finds. */
  deployment: NativeDeployment | Error
  deletion: Error | undefined
  maxFileBytes: number
  /** The texts of the files that were uploaded, by the ids they got. */
  files: Record<string, string>
  submissions: JobSubmission[]
  chats: ChatRequest[]
  /** Every call of a deployment. */
  deployments: string[]
}

export interface FakeBench extends Bench {
  state: FakeState
}

const orThrow = <T>(value: T | Error): T => {
  if (value instanceof Error) throw value
  return value
}

/** Registers the provider `fake` for the tests of one file, and opens a bench whose only connection is with it. */
export const startFake = (
  parts: Partial<Pick<Provider, 'tuneNames'>> & { isDeployed?: boolean } = {},
): FakeBench => {
  const state: FakeState = {
    format: 'openai',
    dropped: [],
    job: nativeJob(),
    checkpoints: [],
    deployment: nativeDeployment(),
    deletion: undefined,
    maxFileBytes: 1e9,
    files: {},
    submissions: [],
    chats: [],
    deployments: [],
  }
  const { isDeployed = true, tuneNames = 'gateway' } = parts
  const unused = () => {
    throw new ApiError({ status: 500, code: 'internal_error', message: 'The test does not need this.' })
  }
  const provider: Provider = {
    id: 'fake',
    get capabilities() {
      return {
        source: 'a test',
        asOf: '2026-11-20',
        maxFileBytes: state.maxFileBytes,
        maxMetadataPairs: 16,
        models: [],
      }
    },
    fields: { apiKey: { name: 'FAKE_KEY', kind: 'credential', fallback: 'k' } },
    missing: () => undefined,
    authorise: () => ({}),
    toFault: unused,
    tuneNames,
    defaultEpochs: () => ({ low: 2, expected: 2, high: 2, rule: 'always 2', source: 'a test' }),
    formatOf: () => state.format,
    files: {
      async upload(_channel, file) {
        const bytes = await readAll(await file.open())
        if (bytes.length !== file.size) throw new Error(`${bytes.length} bytes, announced as ${file.size}`)
        const id = `native-file-${Object.keys(state.files).length + 1}`
        state.files[id] = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
        return { id }
      },
      async get(_channel, id) {
        if (state.files[id] === undefined) throw fault(404)
        return { filename: id, bytes: utf8(state.files[id]).length, createdAt: 1 }
      },
      async delete(_channel, id) {
        delete state.files[id]
      },
      content: async (_channel, id) => ({
        status: 200,
        headers: new Headers(),
        body: streamOf([utf8(state.files[id] ?? '')]),
      }),
      paging: 'id',
      list: async () => ({ items: [], hasMore: false }),
    },
    jobs: {
      check: () => state.dropped,
      async create(_channel, submission) {
        state.submissions.push(submission)
        return orThrow(state.job)
      },
      find: async () => undefined,
      get: async () => orThrow(state.job),
      paging: 'id',
      list: async () => ({ items: [], hasMore: false }),
      cancel: async () => orThrow(state.job),
    },
    chat: {
      async complete(_channel, request) {
        state.chats.push(request)
        return {
          kind: 'whole',
          headers: new Headers({ 'content-type': 'application/json' }),
          bytes: utf8('{}'),
        }
      },
    },
    ...(isDeployed && {
      deployments: {
        async create(_channel, job, name) {
          state.deployments.push(`create ${name} of ${job.fineTunedModel}`)
          return orThrow(state.deployment)
        },
        async get(_channel, id) {
          state.deployments.push(`get ${id}`)
          return orThrow(state.deployment)
        },
        async delete(_channel, id) {
          state.deployments.push(`delete ${id}`)
          if (state.deletion) throw state.deletion
        },
      },
    }),
    models: {
      list: async () => [],
      delete: async () => undefined,
      baseOf: name => name,
      isTuned: name => name.startsWith('arn:tune/'),
    },
  }
  // The registry is the product's own list; a test adds one line to it.
  ;(PROVIDERS as Record<string, Provider>).fake = provider
  const bench = startBench(() => json({}), {
    // Known to the registry only: the configuration's types list the product's providers.
    connections: { main: { provider: 'fake' as 'openai' } },
    defaultConnection: 'main',
    retries: { count: 0, firstDelayMs: 1, longestDelayMs: 1 },
  })
  return { ...bench, state }
}
