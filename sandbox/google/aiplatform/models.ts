/** Which models there are: Gemini's own as data, tuned ones, and the endpoints that answer for them. */
import { Ledger } from '../../ledger.ts'
import type { TunedModel } from '../../trainer/tuned-model.ts'
import { PROJECT } from '../auth/identity.ts'
import { errorInfo, GoogleError } from '../errors.ts'
import { numericId } from '../wire.ts'
import { type Answer, answerOfKey } from './answers.ts'

export interface BaseModel {
  id: string
  /** Regions in which it can be tuned. */
  tunesIn: readonly string[]
  /** Gemini 3 wants its thought signatures back. */
  signsThoughts: boolean
}

const GEMINI_3 = { tunesIn: ['us-central1', 'europe-west4'], signsThoughts: true } as const

export const BASE_MODELS: readonly BaseModel[] = [
  { id: 'gemini-3.5-flash', ...GEMINI_3 },
  { id: 'gemini-3.5-flash-lite', ...GEMINI_3 },
  { id: 'gemini-3.1-flash-lite', ...GEMINI_3 },
]

/** Where a Gemini 3 model tuned in a region answers. */
export const SERVES_IN: Record<string, string> = { 'us-central1': 'us', 'europe-west4': 'eu' }

/** Where base models answer. */
export const BASE_LOCATIONS = ['global', 'us', 'eu', 'us-central1', 'europe-west4']

/** The weights at one point of a training. */
export interface Weights {
  tuned: TunedModel
  /** `tuned.answers`, parsed. */
  answers: readonly Answer[]
}

export const weightsOf = (tuned: TunedModel): Weights => ({
  tuned,
  answers: tuned.answers.map(answerOfKey),
})

export interface Checkpoint extends Weights {
  checkpointId: string
  epoch: number
  step: number
  endpointId: string
}

/** A model in the registry, made by a tuning job. */
export interface TunedGemini {
  id: string
  region: string
  displayName: string
  labels: Record<string, string>
  base: BaseModel
  createdAt: Date
  /** The last one is the model itself. */
  checkpoints: readonly Checkpoint[]
}

export interface Endpoint {
  id: string
  region: string
  displayName: string
  createdAt: Date
  /** What answers; undefined once undeployed. */
  deployed: { id: string; model: TunedGemini; weights: Weights } | undefined
}

/** All tuned models and their endpoints, by id. */
export class Registry {
  readonly models = new Ledger<TunedGemini>()
  readonly endpoints = new Ledger<Endpoint>()
  /** Long-running operations that were started; each is done when next asked for. */
  readonly operations = new Ledger<{ id: string; name: string; type: string }>()

  /** Registers a model and deploys each of its checkpoints to an endpoint. */
  add(model: TunedGemini): void {
    this.models.add(model)
    for (const { endpointId, tuned, answers } of model.checkpoints) {
      this.endpoints.add({
        id: endpointId,
        region: model.region,
        displayName: model.displayName,
        createdAt: model.createdAt,
        deployed: { id: numericId(), model, weights: { tuned, answers } },
      })
    }
  }

  clear(): void {
    this.models.clear()
    this.endpoints.clear()
    this.operations.clear()
  }
}

/** The resource name of a place: always with the project's number, whatever the request said. */
export const placeName = (region: string): string => `projects/${PROJECT.number}/locations/${region}`
export const modelName = ({ region, id }: TunedGemini): string => `${placeName(region)}/models/${id}`
export const endpointName = (region: string, id: string): string => `${placeName(region)}/endpoints/${id}`

/**
 * A base model by its id or its publisher name.
 *
 * @throws {GoogleError} NOT_FOUND
 */
export function baseModel(name: string): BaseModel {
  const id = name.replace(/^publishers\/google\/models\//, '')
  const model = BASE_MODELS.find(each => each.id === id)
  if (model) return model
  throw new GoogleError(
    'NOT_FOUND',
    `Publisher Model \`${name}\` was not found or your project does not have access to it.`,
  )
}

/** @throws {GoogleError} PERMISSION_DENIED for any project but the sandbox's */
export function checkProject(project: string, permission: string): void {
  if (project === PROJECT.id || project === PROJECT.number) return
  const resource = `projects/${project}`
  throw new GoogleError(
    'PERMISSION_DENIED',
    `Permission '${permission}' denied on resource '${resource}' (or it may not exist).`,
    [errorInfo('IAM_PERMISSION_DENIED', { permission, resource })],
  )
}
