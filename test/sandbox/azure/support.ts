/** What Azure's tests share: clients of both surfaces on a running sandbox, and ways through Entra and ARM. */
import OpenAI, { AzureOpenAI, toFile } from 'openai'
import { afterEach } from 'vitest'
import type { AzureAccess } from '../../../sandbox/azure/app.ts'
import { DEFAULT_SETTINGS } from '../../../sandbox/azure/settings.ts'
import type { Fault } from '../../../sandbox/server.ts'
import { type Bench, chatLine, jsonl, samples, useSandbox } from '../support.ts'

export const PREVIEW = '2025-04-01-preview'
export const FIRST = '2024-10-21'
export const BASE = 'gpt-4.1-mini-2025-04-14'

export const SCOPES = {
  data: 'https://cognitiveservices.azure.com/.default',
  foundry: 'https://ai.azure.com/.default',
  arm: 'https://management.azure.com/.default',
} as const

export interface Answered {
  status: number
  headers: Headers
  json: Record<string, unknown>
}

/** Calls the sandbox's Azure in every way that there is. */
export class AzureBench {
  readonly #bench: Bench

  constructor(bench: Bench) {
    this.#bench = bench
  }

  get azure(): AzureAccess {
    return this.#bench.sandbox.azure
  }

  get origin(): string {
    return this.#bench.sandbox.origin
  }

  /** As in {@link Bench}. */
  set(settings: Parameters<Bench['set']>[0]): Promise<void> {
    return this.#bench.set(settings)
  }

  state(): ReturnType<Bench['state']> {
    return this.#bench.state()
  }

  reset(): void {
    this.#bench.sandbox.reset()
  }

  fault(fault: Fault): void {
    this.#bench.sandbox.fault(fault)
  }

  keyOf(resource: string): string {
    return this.azure.resources.find(({ name }) => name === resource)?.apiKey ?? ''
  }

  /** Official client of a dated surface. */
  dated({
    apiVersion = PREVIEW,
    resource = this.azure.resource,
    deployment,
  }: {
    apiVersion?: string
    resource?: string
    deployment?: string
  } = {}): AzureOpenAI {
    return new AzureOpenAI({
      endpoint: this.azure.baseUrl(resource),
      apiKey: this.keyOf(resource),
      apiVersion,
      ...(deployment !== undefined && { deployment }),
      maxRetries: 0,
    })
  }

  /** Official client of the v1 surface. */
  v1({
    resource = this.azure.resource,
    apiKey = this.keyOf(resource),
  }: {
    resource?: string
    apiKey?: string
  } = {}): OpenAI {
    return new OpenAI({
      baseURL: `${this.azure.baseUrl(resource)}/openai/v1`,
      apiKey,
      defaultHeaders: { 'api-key': apiKey },
      maxRetries: 0,
    })
  }

  /** Without an SDK: a path behind the resource's `/openai`, with the key unless the headers say otherwise. */
  async raw(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = { 'api-key': this.azure.apiKey },
  ): Promise<Answered> {
    return answered(
      await fetch(`${this.azure.baseUrl()}/openai${path}`, {
        method,
        headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    )
  }

  /** The form of a client with its secret; undefined leaves a field out. */
  async login(
    changes: Record<string, string | undefined> = {},
    tenant = this.azure.tenantId,
  ): Promise<Answered> {
    const fields = {
      grant_type: 'client_credentials',
      client_id: this.azure.clientId,
      client_secret: this.azure.clientSecret,
      scope: SCOPES.data,
      ...changes,
    }
    const body = new URLSearchParams()
    for (const [name, value] of Object.entries(fields)) if (value !== undefined) body.set(name, value)
    return answered(
      await fetch(`${this.azure.loginUrl}/${tenant}/oauth2/v2.0/token`, { method: 'POST', body }),
    )
  }

  async token(scope: string): Promise<string> {
    const { json } = await this.login({ scope })
    if (typeof json.access_token !== 'string') throw new Error(`No token: ${JSON.stringify(json)}`)
    return json.access_token
  }

  /** Calls ARM with a good token, on a path below the resource group's accounts. */
  async arm(method: string, path: string, body?: unknown): Promise<Answered> {
    const authorization = `Bearer ${await this.token(SCOPES.arm)}`
    return answered(
      await fetch(armUrl(this.azure, path), {
        method,
        headers: { authorization, 'content-type': 'application/json' },
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    )
  }

  deploy(
    name: string,
    model: string,
    { resource = this.azure.resource, source }: { resource?: string; source?: string } = {},
  ): Promise<Answered> {
    return this.arm('PUT', `${resource}/deployments/${name}`, specification(model, source))
  }
}

export function useAzure(): AzureBench {
  const bench = new AzureBench(useSandbox())
  afterEach(() => bench.azure.change(DEFAULT_SETTINGS))
  return bench
}

export const specification = (name: string, source?: string) => ({
  sku: { name: 'GlobalStandard', capacity: 1 },
  properties: {
    model: { format: 'OpenAI', name, version: '1', ...(source !== undefined && { source }) },
  },
})

export const accountsPath = ({ subscriptionId, resourceGroup }: AzureAccess): string =>
  `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}/providers/Microsoft.CognitiveServices/accounts`

export const armUrl = (azure: AzureAccess, path: string): string =>
  `${azure.armUrl}${accountsPath(azure)}/${path}${path.includes('?') ? '' : '?api-version=2024-10-01'}`

export async function answered(response: Response): Promise<Answered> {
  const text = await response.text()
  return { status: response.status, headers: response.headers, json: text === '' ? {} : JSON.parse(text) }
}

export const GOOD = `\uFEFF${jsonl(samples('train').map(chatLine))}`

export async function uploadTo(client: OpenAI, content: string = GOOD): Promise<string> {
  const file = await client.files.create({
    file: await toFile(Buffer.from(content), 'data.jsonl'),
    purpose: 'fine-tune',
  })
  return file.id
}

/** Uploads and waits until a job may use it. */
export async function processed(client: OpenAI, content?: string): Promise<string> {
  const id = await uploadTo(client, content)
  while ((await client.files.retrieve(id)).status !== ('processed' as string)) await pause()
  return id
}

type Job = OpenAI.FineTuning.FineTuningJob
type Create = OpenAI.FineTuning.JobCreateParams

const OVER: readonly string[] = ['succeeded', 'failed', 'cancelled']

export async function finished(client: OpenAI, id: string): Promise<Job> {
  for (;;) {
    const job = await client.fineTuning.jobs.retrieve(id)
    if (OVER.includes(job.status)) return job
    await pause()
  }
}

/** Trains on the bank's customers and waits for the end. */
export async function tune(client: OpenAI, extra: Partial<Create> = {}): Promise<Job> {
  const training_file = await processed(client)
  const job = await client.fineTuning.jobs.create({ model: BASE, training_file, ...extra })
  return finished(client, job.id)
}

const pause = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 2))
