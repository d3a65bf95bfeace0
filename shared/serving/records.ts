/**
 * The registry of tuned models. See `docs/storage.md`.
 * @module
 */
import type { ModelObject } from '../openai/index.ts'
import { collection } from '../platform/index.ts'
import type { NativeDeployment } from '../providers/index.ts'

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
}

export interface ModelDeployment extends NativeDeployment {
  /** Unix seconds: since when it has been asked for. */
  created_at: number
}

export const MODELS = collection<ModelRecord, 'owner'>('model', model => model.name, {
  // Checkpoints are callable, but listed with their job only, as at OpenAI.
  owner: {
    slot: 'a',
    entry: model =>
      model.deleted_at === null && model.kind === 'model'
        ? { partition: model.owner, sort: `${String(model.created_at).padStart(12, '0')}#${model.name}` }
        : undefined,
  },
})

export const toModelObject = ({ name, created_at, owner }: ModelRecord): ModelObject => ({
  id: name,
  object: 'model',
  created: created_at,
  owned_by: owner,
})
