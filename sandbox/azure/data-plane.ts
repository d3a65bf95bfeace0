/** One account's `/openai`: the v1 surface and the dated one, over the same files, jobs and deployments. */
import { randomUUID } from 'node:crypto'
import { type Handler, Hono, type MiddlewareHandler } from 'hono'
import type { JobDialect } from '../openai/dialect.ts'
import { fileRoutes } from '../openai/files.ts'
import { jobRoutes } from '../openai/jobs.ts'
import { uploadRoutes } from '../openai/uploads.ts'
import type { Streams } from '../streams.ts'
import type { Tempo } from '../tempo.ts'
import type { Account } from './account.ts'
import { dataPlaneAuth } from './auth.ts'
import { datedChat, v1Chat } from './chat.ts'
import type { Entra } from './entra.ts'
import { answerAuthoringError, answerInferenceError, resourceNotFound } from './errors.ts'
import { azureFiles, DATED_JOBS, V1_JOBS } from './jobs.ts'
import { azureModelRoutes } from './models.ts'
import type { AzureSettings } from './settings.ts'
import { creationOfVersion, datedVersion, previewOnly, v1Version } from './versions.ts'

export interface DataPlane {
  entra: Entra
  settings: AzureSettings
  streams: Streams
  tempo: Tempo
}

/** `/azure/{resource}/openai` */
export function dataPlaneRoutes(account: Account, plane: DataPlane): Hono {
  const { entra, streams } = plane
  const v1 = [v1Version, dataPlaneAuth(account, entra, 'v1')] as const
  const dated = [datedVersion, dataPlaneAuth(account, entra, 'dated')] as const
  return new Hono()
    .use(standardHeaders(account))
    .route(
      '/v1/chat/completions',
      new Hono()
        .onError(answerInferenceError)
        .use(...v1)
        .post('/', v1Chat(account, streams))
        .all('*', noSuchUrl),
    )
    .route(
      '/v1',
      new Hono()
        .onError(answerAuthoringError)
        .use(...v1)
        .route('/', authoringRoutes(account, plane, V1_JOBS)),
    )
    .route(
      '/deployments/:deployment/chat/completions',
      new Hono()
        .onError(answerInferenceError)
        .use(...dated)
        .post('/', datedChat(account, streams))
        .all('*', noSuchUrl),
    )
    .route(
      '/',
      new Hono()
        .onError(answerAuthoringError)
        .use(...dated)
        .use('/fine_tuning/jobs', creationOfVersion)
        .use('/fine_tuning/jobs/:id/pause', previewOnly)
        .use('/fine_tuning/jobs/:id/resume', previewOnly)
        .route('/', authoringRoutes(account, plane, DATED_JOBS)),
    )
}

/** Files, uploads, jobs and models. */
function authoringRoutes(account: Account, { settings, tempo }: DataPlane, jobs: JobDialect): Hono {
  const isBusy = (id: string): boolean => account.jobs.isValidating(id)
  const dialect = { ...azureFiles(settings), created: jobs.created }
  return new Hono()
    .route('/files', fileRoutes(account.files, isBusy, dialect))
    .route('/uploads', uploadRoutes(account.uploads, account.files, dialect))
    .route('/fine_tuning/jobs', jobRoutes({ ...account, tempo }, jobs))
    .route('/models', azureModelRoutes(account))
    .all('*', noSuchUrl)
}

const noSuchUrl: Handler = () => {
  throw resourceNotFound()
}

const standardHeaders =
  ({ plan }: Account): MiddlewareHandler =>
  async (context, next) => {
    await next()
    const id = randomUUID()
    context.header('apim-request-id', id)
    context.header('x-request-id', id)
    context.header('x-ms-region', plan.region)
  }
