/** OpenAI's wire: everything below `/v1`. */
import { timingSafeEqual } from 'node:crypto'
import { Hono, type MiddlewareHandler } from 'hono'
import { newId } from '../ids.ts'
import type { Streams } from '../streams.ts'
import type { Tempo } from '../tempo.ts'
import { chatRoutes } from './chat.ts'
import { ApiError } from './errors.ts'
import { Files, fileRoutes } from './files.ts'
import { Jobs, jobRoutes } from './jobs.ts'
import { Models, modelRoutes } from './models.ts'
import { Uploads, uploadRoutes } from './uploads.ts'

export interface OpenAI {
  app: Hono
  files: Files
  uploads: Uploads
  jobs: Jobs
  models: Models
  /** Forgets everything; running jobs stop. */
  reset(): void
}

export function createOpenAI(apiKey: string, tempo: Tempo, streams: Streams): OpenAI {
  const files = new Files()
  const uploads = new Uploads()
  const jobs = new Jobs()
  const models = new Models()
  const app = new Hono()
  app.use(standardHeaders)
  app.use(bearerAuth(apiKey))
  app.route(
    '/files',
    fileRoutes(files, id => jobs.isValidating(id)),
  )
  app.route('/uploads', uploadRoutes(uploads, files))
  app.route('/fine_tuning/jobs', jobRoutes({ jobs, files, models, tempo }))
  app.route('/chat/completions', chatRoutes(models, streams))
  app.route('/models', modelRoutes(models))
  app.all('*', ({ req }) => {
    throw new ApiError(404, `Invalid URL (${req.method} ${req.path})`, { code: 'unknown_url' })
  })
  app.onError((error, context) => {
    if (error instanceof ApiError) return context.json({ error: error.body }, error.status)
    const unexpected = new ApiError(500, `The sandbox failed: ${error.message}`, { code: 'sandbox_failure' })
    return context.json({ error: unexpected.body }, 500)
  })
  return {
    app,
    files,
    uploads,
    jobs,
    models,
    reset: () => {
      jobs.clear()
      files.ledger.clear()
      uploads.ledger.clear()
      models.fineTunes.clear()
    },
  }
}

const standardHeaders: MiddlewareHandler = async (context, next) => {
  const start = performance.now()
  await next()
  context.header('x-request-id', newId('req_', 32))
  context.header('openai-processing-ms', String(Math.ceil(performance.now() - start)))
  context.header('openai-version', '2020-10-01')
  context.header('openai-organization', 'org-sandbox')
}

function bearerAuth(apiKey: string): MiddlewareHandler {
  const expected = Buffer.from(`Bearer ${apiKey}`)
  return async ({ req }, next) => {
    const given = Buffer.from(req.header('authorization') ?? '')
    if (given.byteLength !== expected.byteLength || !timingSafeEqual(given, expected)) {
      throw new ApiError(
        401,
        given.byteLength === 0 ? "You didn't provide an API key." : 'Incorrect API key provided.',
        {
          code: 'invalid_api_key',
        },
      )
    }
    await next()
  }
}
