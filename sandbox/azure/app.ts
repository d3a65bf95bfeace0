/** Azure's wires, below `/azure`: Entra, ARM, and for each account the two surfaces of Azure OpenAI. */
import { Hono } from 'hono'
import * as z from 'zod'
import { storedFile } from '../openai/files.ts'
import type { Streams } from '../streams.ts'
import type { Tempo } from '../tempo.ts'
import { ACCOUNTS, Account } from './account.ts'
import { armRoutes } from './arm.ts'
import { dataPlaneRoutes } from './data-plane.ts'
import { type AssertionChanges, Entra } from './entra.ts'
import { answerAuthoringError, resourceNotFound } from './errors.ts'
import { CLIENT_ID, CLIENT_SECRET, RESOURCE_GROUP, SUBSCRIPTION_ID, TENANT_ID } from './identity.ts'
import { type AzureSettings, azureSettings, DEFAULT_SETTINGS } from './settings.ts'

/** What a client must know to use the stand-in's Azure. */
export interface AzureFacts {
  /** The resource that {@link AzureFacts.apiKey} opens. */
  resource: string
  apiKey: string
  /** All resources; each has a key of its own. */
  resources: { name: string; region: string; apiKey: string; baseUrl: string }[]
  tenantId: string
  clientId: string
  clientSecret: string
  subscriptionId: string
  resourceGroup: string
  /** In place of `https://login.microsoftonline.com` */
  loginUrl: string
  /** In place of `https://management.azure.com` */
  armUrl: string
}

export interface AzureAccess extends AzureFacts {
  /** In place of `https://{resource}.openai.azure.com`: `/openai` and `/openai/v1` come behind it. */
  baseUrl(resource?: string): string
  /** A signed assertion of the federated identity, good for ten minutes unless changed. */
  mintAssertion(changes?: AssertionChanges): Promise<string>
  change(settings: Partial<AzureSettings>): void
}

export interface Azure {
  app: Hono
  /** `/_sandbox/azure` */
  control: Hono
  access(origin: string): AzureAccess
  /** Forgets everything; running jobs stop. Settings stay. */
  reset(): void
}

const assertionChanges = z.strictObject({
  issuer: z.string().optional(),
  subject: z.string().optional(),
  audience: z.string().optional(),
  expiresInSeconds: z.int().optional(),
})

export function createAzure(tempo: Tempo, streams: Streams): Azure {
  const settings: AzureSettings = { ...DEFAULT_SETTINGS }
  const accounts = ACCOUNTS.map(plan => new Account(plan))
  const entra = new Entra(settings)

  const app = new Hono().onError(answerAuthoringError)
  app.route('/login', entra.routes())
  app.route('/arm', armRoutes({ accounts, entra, settings }))
  for (const account of accounts) {
    app.route(`/${account.name}/openai`, dataPlaneRoutes(account, { entra, settings, streams, tempo }))
  }
  app.all('*', () => {
    throw resourceNotFound()
  })

  const change = (changes: unknown): void => {
    Object.assign(settings, azureSettings.parse(changes))
  }
  const control = new Hono()
    .get('/', async context => {
      const { baseUrl, mintAssertion, change: _, ...facts } = accessTo(new URL(context.req.url).origin)
      return context.json({ ...facts, baseUrl: baseUrl(), assertion: await mintAssertion() })
    })
    .get('/state', context =>
      context.json({
        objects: accounts.flatMap(({ files }) => Array.from(files.ledger, storedFile)),
        openUploads: accounts.reduce((sum, { uploads }) => sum + uploads.open, 0),
      }),
    )
    .post('/settings', async context => {
      change(await context.req.json())
      return context.json(settings)
    })
    .post('/assertion', async context => {
      const changes = assertionChanges.parse(await context.req.json())
      return context.json({ assertion: await entra.mintAssertion(changes) })
    })
    .onError((error, context) =>
      context.json(
        { error: error.message },
        error instanceof z.ZodError || error instanceof SyntaxError ? 400 : 500,
      ),
    )

  function accessTo(origin: string): AzureAccess {
    const [{ name: resource, apiKey }] = ACCOUNTS
    const baseUrl = (name: string = resource): string => `${origin}/azure/${name}`
    return {
      resource,
      apiKey,
      resources: ACCOUNTS.map(({ name, region, apiKey: key }) => ({
        name,
        region,
        apiKey: key,
        baseUrl: baseUrl(name),
      })),
      tenantId: TENANT_ID,
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      subscriptionId: SUBSCRIPTION_ID,
      resourceGroup: RESOURCE_GROUP,
      loginUrl: `${origin}/azure/login`,
      armUrl: `${origin}/azure/arm`,
      baseUrl,
      mintAssertion: changes => entra.mintAssertion(changes),
      change,
    }
  }

  return {
    app,
    control,
    access: accessTo,
    reset: () => {
      for (const account of accounts) account.reset()
    },
  }
}
