/** An Azure OpenAI resource, "account" to ARM: its own files, jobs, models, deployments and key. */
import { Files } from '../openai/files.ts'
import { Jobs } from '../openai/jobs.ts'
import { BASE_MODELS, type Callable, Models } from '../openai/models.ts'
import { Uploads } from '../openai/uploads.ts'
import { Deployments } from './deployments.ts'
import { RESOURCE_GROUP, SUBSCRIPTION_ID } from './identity.ts'

interface Plan {
  name: string
  region: string
  apiKey: string
  /** Base models that are deployed under their own names. */
  deployed: readonly string[]
}

export const ACCOUNTS = [
  {
    name: 'sandbox-eastus',
    region: 'eastus2',
    apiKey: 'azure-key-eastus',
    deployed: ['gpt-4.1-mini', 'gpt-4.1', 'gpt-4o-mini'],
  },
  {
    name: 'sandbox-sweden',
    region: 'swedencentral',
    apiKey: 'azure-key-sweden',
    deployed: ['gpt-4.1-mini', 'o4-mini'],
  },
] as const satisfies readonly Plan[]

export class Account {
  readonly plan: Plan
  readonly files = new Files()
  readonly uploads = new Uploads()
  readonly jobs = new Jobs()
  readonly models = new Models({ aliases: false })
  readonly deployments = new Deployments()

  constructor(plan: Plan) {
    this.plan = plan
    this.reset()
  }

  get name(): string {
    return this.plan.name
  }

  /** Its path in ARM. */
  get id(): string {
    return `/subscriptions/${SUBSCRIPTION_ID}/resourceGroups/${RESOURCE_GROUP}/providers/Microsoft.CognitiveServices/accounts/${this.name}`
  }

  reset(): void {
    this.jobs.clear()
    this.files.ledger.clear()
    this.uploads.ledger.clear()
    this.models.fineTunes.clear()
    this.deployments.ledger.clear()
    for (const name of this.plan.deployed) {
      const [version, callable] = baseOf(name)
      const model = { format: 'OpenAI', name, version } as const
      this.deployments.put(name, { sku: { name: 'GlobalStandard', capacity: 50 }, model }, callable, 0)
    }
  }

  /** What ARM means by a model's name and version. A tune's version is always 1. */
  deployable(name: string, version: string): Callable | undefined {
    const base = BASE_MODELS.find(({ id, alias }) => alias === name && id === `${name}-${version}`)
    if (base) return { base }
    const fineTune = version === '1' ? this.models.fineTunes.get(name) : undefined
    return fineTune && { base: fineTune.base, fineTune }
  }
}

function baseOf(name: string): [version: string, Callable] {
  const base = BASE_MODELS.find(({ alias }) => alias === name)
  if (!base) throw new Error(`There is no base model ${name}.`)
  return [base.id.slice(name.length + 1), { base }]
}
