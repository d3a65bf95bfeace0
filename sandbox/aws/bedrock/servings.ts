/** What makes a custom model callable: deployments and provisioned throughput. Both take a while to be ready. */
import { Pace, Stopped, type Tempo } from '../../tempo.ts'
import type { BaseModel } from './base-models.ts'
import type { CustomModel } from './custom-models.ts'
import { Tokens } from './idempotency.ts'
import { Registry, type Resource } from './registry.ts'

export interface Serving extends Resource {
  base: BaseModel
  /** Undefined if it serves the base model itself. */
  model: CustomModel | undefined
  ready: boolean
  modifiedAt: Date
}

/** How long it takes, in steps of training. */
const STEPS_TO_READY = 3

export class Servings<T extends Serving> extends Registry<T> {
  readonly tokens = new Tokens<T>()
  readonly #tempo: Tempo
  readonly #paces = new Map<string, Pace>()

  constructor(what: string, tempo: Tempo) {
    super(what)
    this.#tempo = tempo
  }

  start(serving: T): T {
    const pace = new Pace(this.#tempo)
    this.#paces.set(serving.id, pace)
    void warmUp(serving, pace)
    return this.ledger.add(serving)
  }

  end(serving: T): void {
    this.#paces.get(serving.id)?.stop()
    this.#paces.delete(serving.id)
    this.ledger.delete(serving.id)
  }

  serves(model: CustomModel): boolean {
    return [...this.ledger].some(serving => serving.model === model)
  }

  clear(): void {
    for (const pace of this.#paces.values()) pace.stop()
    this.#paces.clear()
    this.ledger.clear()
    this.tokens.clear()
  }
}

async function warmUp(serving: Serving, pace: Pace): Promise<void> {
  try {
    for (let step = 0; step < STEPS_TO_READY; step++) await pace.step()
  } catch (error) {
    if (error instanceof Stopped) return
    throw error
  }
  serving.ready = true
  serving.modifiedAt = new Date()
}
