/** Azure Resource Manager, as far as deployments go. */
import { randomUUID } from 'node:crypto'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import * as z from 'zod'
import { findingOf } from '../openai/errors.ts'
import type { Callable } from '../openai/models.ts'
import type { Stage } from '../readiness.ts'
import type { Account } from './account.ts'
import { bearerOf } from './auth.ts'
import type { Deployment, Specification } from './deployments.ts'
import type { Entra } from './entra.ts'
import { AUDIENCES, RESOURCE_GROUP, SUBSCRIPTION_ID } from './identity.ts'
import type { AzureSettings } from './settings.ts'

class ArmError extends Error {
  readonly status: ContentfulStatusCode
  readonly code: string

  constructor(status: ContentfulStatusCode, code: string, message: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

const VERSIONS = ['2024-10-01', '2024-10-21']

const DEVELOPER_TIER = 'DeveloperTier'

const SKUS = [
  'Standard',
  'GlobalStandard',
  'DataZoneStandard',
  DEVELOPER_TIER,
  'ProvisionedManaged',
  'GlobalProvisionedManaged',
  'DataZoneProvisionedManaged',
] as const

const deploymentRequest = z.strictObject({
  sku: z.strictObject({ name: z.enum(SKUS), capacity: z.int().min(1) }),
  properties: z.strictObject({
    model: z.strictObject({
      format: z.literal('OpenAI'),
      name: z.string().min(1),
      version: z.string().min(1),
      source: z.string().optional(),
    }),
  }),
})

const DEPLOYMENT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{1,63}$/

const PROVISIONING: Record<Stage, string> = { accepted: 'Accepted', working: 'Creating', ready: 'Succeeded' }

const wireDeployment = (account: Account, { id: name, sku, model, etag, readiness }: Deployment) => ({
  id: `${account.id}/deployments/${name}`,
  type: 'Microsoft.CognitiveServices/accounts/deployments',
  name,
  sku,
  properties: {
    model,
    versionUpgradeOption: 'OnceNewDefaultVersionAvailable',
    capabilities: { chatCompletion: 'true' },
    provisioningState: PROVISIONING[readiness.stage],
  },
  etag: `"${etag}"`,
})

export interface ResourceManager {
  accounts: readonly Account[]
  entra: Entra
  settings: Pick<AzureSettings, 'deploymentPolls'>
}

/** `/azure/arm` */
export function armRoutes({ accounts, entra, settings }: ResourceManager): Hono {
  const accountOf = (context: Context): Account => {
    const group = context.req.param('group')
    if (group !== RESOURCE_GROUP) {
      throw new ArmError(404, 'ResourceGroupNotFound', `There is no resource group '${group}'.`)
    }
    const name = context.req.param('account')
    const account = accounts.find(each => each.name === name)
    if (!account) throw new ArmError(404, 'ResourceNotFound', `There is no account '${name}'.`)
    return account
  }

  const deployments = new Hono()
    .get('/', context => {
      const account = accountOf(context)
      const value = Array.from(account.deployments.ledger, each => wireDeployment(account, look(each)))
      return context.json({ value })
    })
    .get('/:deployment', context => {
      const account = accountOf(context)
      const name = context.req.param('deployment')
      const found = account.deployments.ledger.get(name)
      if (!found) throw new ArmError(404, 'ResourceNotFound', `There is no deployment '${name}'.`)
      return context.json(wireDeployment(account, look(found)))
    })
    .put('/:deployment', async context => {
      const account = accountOf(context)
      const name = context.req.param('deployment')
      if (!DEPLOYMENT_NAME.test(name)) {
        throw new ArmError(400, 'InvalidResourceName', `'${name}' is not a name for a deployment.`)
      }
      const wanted = await specificationIn(context)
      const callable = deployable(accounts, account, wanted)
      const isNew = account.deployments.ledger.get(name) === undefined
      const deployment = account.deployments.put(name, wanted, callable, settings.deploymentPolls)
      return context.json(wireDeployment(account, deployment), isNew ? 201 : 200)
    })
    .delete('/:deployment', context => {
      const existed = accountOf(context).deployments.ledger.delete(context.req.param('deployment'))
      return context.body(null, existed ? 202 : 204)
    })

  return new Hono()
    .onError((error, context) => {
      const { status, code, message } =
        error instanceof ArmError ? error : new ArmError(500, 'InternalServerError', error.message)
      return context.json({ error: { code, message } }, status)
    })
    .use(standardHeaders, armVersion, armAuth(entra))
    .use('/subscriptions/:subscription/*', ownSubscription)
    .route(
      '/subscriptions/:subscription/resourceGroups/:group/providers/Microsoft.CognitiveServices/accounts/:account/deployments',
      deployments,
    )
    .all('*', ({ req }) => {
      throw new ArmError(404, 'InvalidResourceType', `There is nothing to ${req.method} here.`)
    })
}

const standardHeaders: MiddlewareHandler = async (context, next) => {
  await next()
  context.header('x-ms-request-id', randomUUID())
}

const armVersion: MiddlewareHandler = async ({ req }, next) => {
  const version = req.query('api-version')
  if (!version) {
    throw new ArmError(400, 'MissingApiVersionParameter', "The query must have an 'api-version'.")
  }
  if (!VERSIONS.includes(version)) {
    throw new ArmError(
      400,
      'NoRegisteredProviderFound',
      `API version '${version}' is not supported; try ${VERSIONS.join(' or ')}.`,
    )
  }
  await next()
}

function armAuth(entra: Entra): MiddlewareHandler {
  return async ({ req }, next) => {
    const token = bearerOf(req.header('authorization'))
    if (token === undefined) {
      throw new ArmError(401, 'AuthenticationFailed', 'The request has no bearer token.')
    }
    if (!(await entra.accepts(token, [AUDIENCES.management]))) {
      throw new ArmError(
        401,
        'InvalidAuthenticationToken',
        `The access token is invalid, has expired, or is not for ${AUDIENCES.management}.`,
      )
    }
    await next()
  }
}

const ownSubscription: MiddlewareHandler = async ({ req }, next) => {
  const subscription = req.param('subscription')
  if (subscription !== SUBSCRIPTION_ID) {
    throw new ArmError(
      403,
      'AuthorizationFailed',
      `The client may do nothing in the subscription '${subscription}', or it does not exist.`,
    )
  }
  await next()
}

function look(deployment: Deployment): Deployment {
  deployment.readiness.look()
  return deployment
}

async function specificationIn(context: Context): Promise<Specification> {
  const body: unknown = await context.req.json().catch(() => undefined)
  const result = deploymentRequest.safeParse(body, { reportInput: true })
  if (!result.success) throw new ArmError(400, 'InvalidRequestContent', findingOf(result.error).message)
  const { sku, properties } = result.data
  return { sku, model: properties.model }
}

/** The model that a deployment would serve, from this account or from the one that `source` names. */
function deployable(accounts: readonly Account[], account: Account, { sku, model }: Specification): Callable {
  const { name, version, source = account.id } = model
  const origin = accounts.find(({ id }) => id.toLowerCase() === source.toLowerCase())
  if (!origin) {
    throw new ArmError(400, 'InvalidResourceProperties', `There is no source account '${source}'.`)
  }
  const callable = origin.deployable(name, version)
  if (!callable) {
    throw new ArmError(
      400,
      'DeploymentModelNotSupported',
      `There is no model '${name}' of version '${version}' in ${origin.name}.`,
    )
  }
  if (sku.name === DEVELOPER_TIER && !callable.fineTune) {
    throw new ArmError(400, 'InvalidResourceProperties', `The SKU '${sku.name}' is for fine-tuned models.`)
  }
  return callable
}
