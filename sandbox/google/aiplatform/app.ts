/** Vertex AI: everything below `/google/aiplatform`. */
import { Hono } from 'hono'
import { authenticate, NoAccess } from '../auth/bearer.ts'
import { CLOUD_PLATFORM } from '../auth/identity.ts'
import { refusalOf } from '../auth/refusal.ts'
import type { AccessTokens } from '../auth/tokens.ts'
import { asGoogleError, GoogleError } from '../errors.ts'
import { experimentRoutes } from './experiment-routes.ts'
import { checkProject } from './models.ts'
import { resourceRoutes } from './resource-routes.ts'
import { type ServingParts, servingRoutes } from './serving-routes.ts'
import { type TuningParts, tuningRoutes } from './tuning-routes.ts'

export interface AiPlatformOptions extends TuningParts, ServingParts {
  tokens: AccessTokens
  /** Where this API stands, without a slash at the end. */
  base: () => string
}

const GOOGLE_AUDIENCE = /^https:\/\/(?:[a-z0-9-]+-)?aiplatform(?:\.(?:us|eu)\.rep)?\.googleapis\.com\/$/

const VERSIONS = ['v1', 'v1beta1'] as const

/** Both versions of the API, behind one check of the token and the project. */
export function aiPlatformRoutes({ tokens, base, ...parts }: AiPlatformOptions): Hono {
  const app = new Hono()
  app.onError((error, context) => {
    const refusal = error instanceof NoAccess ? refusalOf(error) : asGoogleError(error)
    const { path } = context.req
    // Whoever asked for an array gets an array.
    const inArray = path.endsWith(':streamGenerateContent') && context.req.query('alt') !== 'sse'
    return context.json(inArray ? [refusal.body] : refusal.body, refusal.http)
  })
  app.use(async (context, next) => {
    await authenticate(context.req.header('authorization'), tokens, {
      scopes: [CLOUD_PLATFORM],
      audience: value => GOOGLE_AUDIENCE.test(value) || value === `${base()}/`,
      kind: 'serviceAccount',
    })
    await next()
  })
  for (const version of VERSIONS) {
    const place = `/${version}/projects/:project/locations/:location`
    app.use(`${place}/*`, async ({ req }, next) => {
      checkProject(req.param('project') ?? '', `aiplatform.${req.method.toLowerCase()}`)
      await next()
    })
    app.post(`${place}/tuningJobs:rebaseTunedModel`, () => {
      throw new GoogleError('UNIMPLEMENTED', 'rebaseTunedModel is not available in the sandbox.')
    })
    app.route(`${place}/tuningJobs`, tuningRoutes(version, parts))
    app.route(place, servingRoutes(version, parts))
    app.route(place, resourceRoutes(parts.registry))
    app.route(place, experimentRoutes(parts.jobs))
  }
  app.all('*', ({ req }) => {
    throw new GoogleError('NOT_FOUND', `There is no ${req.method} ${req.path}.`)
  })
  return app
}
