/** A connection to Azure over a network of canned answers. */
import type { AzureConnection } from '../../../shared/config.ts'
import {
  type Connection,
  connect,
  type JobSubmission,
  type Provider,
} from '../../../shared/providers/index.ts'
import { type Answers, type Bench, json, startBench } from '../support/context.ts'
import { KEY, type Surface, VERSION } from './recordings.ts'

export const RESOURCE = 'https://res.openai.azure.com'

export const KEYED: Record<Surface, AzureConnection> = {
  v1: { provider: 'azure', apiKey: KEY, baseUrl: RESOURCE },
  dated: { provider: 'azure', apiKey: KEY, baseUrl: RESOURCE, apiVersion: VERSION },
}

export const SECRET = 'S3CR3T~of~the~application'
export const ASSERTION = 'eyJ.of-another.issuer'
export const TENANT = '11111111-2222-4333-8444-555555555555'
/** An application; no key. */
export const APPLICATION: AzureConnection = {
  provider: 'azure',
  baseUrl: RESOURCE,
  tenantId: TENANT,
  clientId: 'the-client',
  clientSecret: SECRET,
}
/** All that deploying takes. */
export const DEPLOYER: AzureConnection = {
  ...APPLICATION,
  subscriptionId: 'sub-1',
  resourceGroup: 'group-1',
  account: 'account-1',
}

export const granted = (access_token = 'token-1', expires_in = 3599) =>
  json({ token_type: 'Bearer', expires_in, ext_expires_in: expires_in, access_token })

export const isTokenCall = (url: string): boolean => url.startsWith('https://login.microsoftonline.com/')

/** The same provider with all that Azure has for certain. */
export type Azure = Provider & {
  deployments: NonNullable<Provider['deployments']>
  jobs: Required<Omit<Provider['jobs'], 'metrics'>>
}

export const start = async (
  answers: Answers,
  connection: AzureConnection = KEYED.v1,
  prepare: (bench: Bench) => void = () => undefined,
): Promise<Bench & Omit<Connection, 'provider'> & { provider: Azure }> => {
  const bench = startBench(answers, {
    connections: { azure: connection },
    defaultConnection: 'azure',
    retries: { count: 2, firstDelayMs: 1, longestDelayMs: 1 },
  })
  prepare(bench)
  const { provider, ...rest } = await connect(bench.context, 'azure')
  const { deployments, jobs } = provider
  const { pause, resume, events, checkpoints } = jobs
  if (!deployments || !pause || !resume || !events || !checkpoints) throw new Error('Azure has all of these')
  return {
    ...bench,
    ...rest,
    provider: { ...provider, deployments, jobs: { ...jobs, pause, resume, events, checkpoints } },
  }
}

export const submission: JobSubmission = {
  label: 'ftjob-ours',
  model: 'gpt-4.1-mini-2025-04-14',
  trainingFile: 'file-abc123',
  validationFile: null,
  suffix: null,
  seed: null,
  metadata: {},
  integrations: null,
  method: { type: 'supervised' },
  options: {},
}

/** What was thrown. */
export const thrownBy = (work: () => unknown): Promise<unknown> =>
  Promise.resolve()
    .then(work)
    .then(
      () => {
        throw new Error('nothing was thrown')
      },
      (error: unknown) => error,
    )
