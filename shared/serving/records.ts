/**
 * The registry of tuned models. See `docs/storage.md`.
 * @module
 */
import type { Context } from '../context.ts'
import type { ModelObject } from '../openai/index.ts'
import { collection, dueEntry } from '../platform/index.ts'
import { type NativeDeployment, servedUntil } from '../providers/index.ts'
import type { HostingPeriod } from './hosting.ts'

export interface ModelRecord {
  /** What callers say. */
  name: string
  owner: string
  connection: string
  account: string
  /** What the provider calls it; where it has to be deployed, what a deployment is made of. */
  native: string
  /** Where it is deployed or about to be; null while it is not, undefined where there is nothing to deploy. */
  deployment?: ModelDeployment | null
  base_model: string
  job: string
  /** The model this is only another name of: what its provider, or a deployment, calls it. */
  alias_of?: string
  kind: 'model' | 'checkpoint' | 'alias'
  /** Unix seconds. */
  created_at: number
  /** A tombstone: the name stays its owner's. */
  deleted_at: number | null
  /** What of its deployments is still to be entered in the ledger. */
  hosting?: HostingPeriod[]
  /** The date its retirement was last told of, and how many days ahead. */
  retirement_told?: { on: string; days: number[] }
  /** Unix seconds: when its hosting and its retirement are looked at; null: never again. */
  due_at?: number | null
}

export interface ModelDeployment extends NativeDeployment {
  /** Unix seconds: since when it has been asked for. */
  created_at: number
}

export const MODELS = collection<ModelRecord, 'owner' | 'due'>('model', model => model.name, {
  // Checkpoints are callable, but listed with their job only, as at OpenAI.
  owner: {
    slot: 'a',
    entry: model =>
      model.deleted_at === null && model.kind === 'model'
        ? { partition: model.owner, sort: `${String(model.created_at).padStart(12, '0')}#${model.name}` }
        : undefined,
  },
  due: { slot: 'b', entry: ({ name, due_at = null }) => dueEntry(due_at, name) },
})

/** The provider a model is at. */
export const providerOf = ({ config }: Pick<Context, 'config'>, { connection }: ModelRecord): string =>
  config.connections[connection]?.provider ?? ''

export const toModelObject = (context: Pick<Context, 'config'>, model: ModelRecord): ModelObject => {
  const { name, created_at, owner, connection, base_model, job } = model
  const provider = providerOf(context, model)
  const on = servedUntil(provider, base_model)
  return {
    id: name,
    object: 'model',
    created: created_at,
    owned_by: owner,
    tunegate: {
      ...{ provider, connection, base_model, fine_tuning_job_id: job },
      retires_at: on === null ? null : Date.parse(on) / 1000,
    },
  }
}
