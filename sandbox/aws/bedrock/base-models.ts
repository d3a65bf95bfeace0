/** The foundation models, as data. */
import { foundationIdIn } from './arns.ts'

export type DatasetFormat = 'nova' | 'claude' | 'prompt'

export interface HyperparameterRange {
  kind: 'integer' | 'number'
  min: number
  max: number
  /** As Bedrock writes it. */
  default: string
}

export interface BaseModel {
  /** For inference on demand. */
  id: string
  /** For customization: with the context length behind it. */
  customizableId: string
  name: string
  provider: string
  inputModalities: readonly ('TEXT' | 'IMAGE' | 'VIDEO')[]
  /** LEGACY: whoever uses it may go on, but no new jobs and no new throughput. */
  lifecycle: 'ACTIVE' | 'LEGACY'
  /** Whether its custom models can be deployed on demand; otherwise they need provisioned throughput. */
  deployable: boolean
  hyperparameters: Readonly<Record<string, HyperparameterRange>>
  dataset: {
    format: DatasetFormat
    training: { min: number; max: number }
    validation: { min: number; max: number } | undefined
    /** In one record. */
    maxTokens: number
    /** Whether an assistant's turn may carry reasoning. */
    reasoning?: true
  }
  converse: {
    system: boolean
    tools: boolean
    toolsInStreams: boolean
    toolChoices: readonly ('auto' | 'any' | 'tool')[]
    /** Whether a conversation may end with words put into the assistant's mouth. */
    prefill: boolean
  }
}

const integer = (min: number, max: number, standard: number): HyperparameterRange => ({
  kind: 'integer',
  min,
  max,
  default: String(standard),
})
const number = (min: number, max: number, standard: string): HyperparameterRange => ({
  kind: 'number',
  min,
  max,
  default: standard,
})

const NOVA: Omit<BaseModel, 'id' | 'customizableId' | 'name'> = {
  provider: 'Amazon',
  inputModalities: ['TEXT', 'IMAGE', 'VIDEO'],
  lifecycle: 'ACTIVE',
  deployable: true,
  hyperparameters: {
    epochCount: integer(1, 5, 2),
    learningRate: number(1e-6, 1e-4, '0.00001'),
    learningRateWarmupSteps: integer(0, 100, 10),
  },
  dataset: {
    format: 'nova',
    training: { min: 8, max: 20_000 },
    validation: { min: 1, max: 20_000 },
    maxTokens: 32_000,
  },
  converse: {
    system: true,
    tools: true,
    toolsInStreams: true,
    toolChoices: ['auto', 'any', 'tool'],
    prefill: true,
  },
}

const LLAMA: Omit<BaseModel, 'id' | 'customizableId' | 'name' | 'deployable'> = {
  provider: 'Meta',
  inputModalities: ['TEXT'],
  lifecycle: 'ACTIVE',
  hyperparameters: {
    epochCount: integer(1, 10, 5),
    batchSize: integer(1, 1, 1),
    learningRate: number(5e-6, 0.1, '0.0001'),
  },
  dataset: {
    format: 'prompt',
    training: { min: 100, max: 10_000 },
    validation: { min: 1, max: 1000 },
    maxTokens: 16_000,
  },
  converse: { system: true, tools: true, toolsInStreams: false, toolChoices: ['auto'], prefill: false },
}

export const BASE_MODELS: readonly BaseModel[] = [
  {
    ...NOVA,
    id: 'amazon.nova-micro-v1:0',
    customizableId: 'amazon.nova-micro-v1:0:128k',
    name: 'Nova Micro',
    inputModalities: ['TEXT'],
  },
  {
    ...NOVA,
    id: 'amazon.nova-lite-v1:0',
    customizableId: 'amazon.nova-lite-v1:0:300k',
    name: 'Nova Lite',
  },
  { ...NOVA, id: 'amazon.nova-pro-v1:0', customizableId: 'amazon.nova-pro-v1:0:300k', name: 'Nova Pro' },
  {
    ...NOVA,
    id: 'amazon.nova-2-lite-v1:0',
    customizableId: 'amazon.nova-2-lite-v1:0:256k',
    name: 'Nova 2 Lite',
    dataset: { ...NOVA.dataset, validation: undefined, reasoning: true },
  },
  {
    id: 'anthropic.claude-3-haiku-20240307-v1:0',
    customizableId: 'anthropic.claude-3-haiku-20240307-v1:0:200k',
    name: 'Claude 3 Haiku',
    provider: 'Anthropic',
    inputModalities: ['TEXT', 'IMAGE'],
    lifecycle: 'ACTIVE',
    deployable: false,
    hyperparameters: {
      epochCount: integer(1, 10, 2),
      batchSize: integer(4, 256, 32),
      learningRateMultiplier: number(0.1, 2, '1'),
      earlyStoppingThreshold: number(0, 0.1, '0.001'),
      earlyStoppingPatience: integer(1, 10, 2),
    },
    dataset: {
      format: 'claude',
      training: { min: 32, max: 10_000 },
      validation: { min: 1, max: 1000 },
      maxTokens: 32_000,
    },
    converse: {
      system: true,
      tools: true,
      toolsInStreams: true,
      toolChoices: ['auto', 'any', 'tool'],
      prefill: true,
    },
  },
  {
    ...LLAMA,
    id: 'meta.llama3-1-8b-instruct-v1:0',
    customizableId: 'meta.llama3-1-8b-instruct-v1:0:128k',
    name: 'Llama 3.1 8B Instruct',
    deployable: false,
  },
  {
    ...LLAMA,
    id: 'meta.llama3-3-70b-instruct-v1:0',
    customizableId: 'meta.llama3-3-70b-instruct-v1:0:128k',
    name: 'Llama 3.3 70B Instruct',
    deployable: true,
  },
  {
    id: 'amazon.titan-text-lite-v1',
    customizableId: 'amazon.titan-text-lite-v1:0:4k',
    name: 'Titan Text G1 - Lite',
    provider: 'Amazon',
    inputModalities: ['TEXT'],
    lifecycle: 'LEGACY',
    deployable: false,
    hyperparameters: {
      epochCount: integer(1, 10, 5),
      batchSize: integer(1, 64, 1),
      learningRate: number(0, 1, '0.00001'),
      learningRateWarmupSteps: integer(0, 250, 5),
    },
    dataset: {
      format: 'prompt',
      training: { min: 1, max: 10_000 },
      validation: { min: 1, max: 1000 },
      maxTokens: 4096,
    },
    converse: { system: false, tools: false, toolsInStreams: false, toolChoices: [], prefill: false },
  },
]

/** Geographies whose inference profiles stand for a model: `us.amazon.nova-lite-v1:0`. */
const PROFILE = /^(?:us|global)\./

/** What can be called on demand: a model id, its ARN, or an inference profile. */
export function callableBase(identifier: string): BaseModel | undefined {
  const id = foundationIdIn(identifier).replace(PROFILE, '')
  return BASE_MODELS.find(base => base.id === id)
}

/** What can be customized: the id with its context length, or its ARN. */
export function customizableBase(identifier: string): BaseModel | undefined {
  const id = foundationIdIn(identifier)
  return BASE_MODELS.find(base => base.customizableId === id)
}

/** Which models are LEGACY; can be changed, so that a client can see a model grow old. */
export class Lifecycles {
  readonly #changed = new Map<string, BaseModel['lifecycle']>()

  of(base: BaseModel): BaseModel['lifecycle'] {
    return this.#changed.get(base.id) ?? base.lifecycle
  }

  /** @param identifier with or without the context length */
  change(identifier: string, lifecycle: BaseModel['lifecycle']): boolean {
    const base = callableBase(identifier) ?? customizableBase(identifier)
    if (base) this.#changed.set(base.id, lifecycle)
    return base !== undefined
  }

  clear(): void {
    this.#changed.clear()
  }
}
