/** Names under which an account answers chats. */
import { newId } from '../ids.ts'
import { Ledger } from '../ledger.ts'
import type { Callable } from '../openai/models.ts'
import { Readiness } from '../readiness.ts'

export interface DeployedModel {
  format: 'OpenAI'
  name: string
  version: string
  source?: string | undefined
}

export interface Specification {
  sku: { name: string; capacity: number }
  model: DeployedModel
}

export interface Deployment extends Specification {
  /** Its name. */
  id: string
  etag: string
  callable: Callable
  readiness: Readiness
}

export class Deployments {
  readonly ledger = new Ledger<Deployment>()

  /**
   * Makes a deployment, or changes one: another model is rolled out anew, another size takes effect at once.
   *
   * @param looks see {@link Readiness}
   */
  put(id: string, wanted: Specification, callable: Callable, looks: number): Deployment {
    const existing = this.ledger.get(id)
    const etag = newId('', 16)
    if (!existing) {
      return this.ledger.add({ id, ...wanted, etag, callable, readiness: new Readiness(looks) })
    }
    if (existing.model.name !== wanted.model.name || existing.model.version !== wanted.model.version) {
      existing.readiness = new Readiness(looks)
    }
    return Object.assign(existing, wanted, { etag, callable })
  }

  /** What answers under the name, if it can already be called. */
  callable(id: string): Callable | undefined {
    const deployment = this.ledger.get(id)
    return deployment?.readiness.attempt() ? deployment.callable : undefined
  }
}
