/** Where the demo can tune, and what differs from provider to provider. @module */

import type { Habits } from './pace.ts'

/** What a finished job can leave behind. */
export type Trace = 'losses' | 'tokens' | 'checkpoints' | 'results'

export interface Traits {
  /** Tuned unless another is asked for. */
  model: string
  /** Whether a tune has to be deployed before it answers. */
  isDeployed: boolean
  /** What its jobs leave behind; one that lacks any of it has not truly happened. */
  leaves: readonly Trace[]
  /** What the untuned model is called by, where that is not the name it is tuned by. */
  callAs?: (model: string) => string
  /** Where its trainer works unlike OpenAI's. */
  habits?: Habits
}

const OPENAI: Traits = {
  model: 'gpt-4.1-mini-2025-04-14',
  isDeployed: false,
  leaves: ['losses', 'tokens', 'checkpoints', 'results'],
}

export const PROVIDERS = {
  openai: OPENAI,
  // Azure calls models by the names of their deployments; by custom that is the model's, without the date.
  azure: { ...OPENAI, isDeployed: true, callAs: model => model.replace(/-\d{4}-\d\d-\d\d$/, '') },
  vertex_ai: { model: 'gemini-3.5-flash', isDeployed: false, leaves: ['tokens', 'checkpoints'] },
  // Bedrock tunes a model by its name with the context length, and calls it by the one without.
  bedrock: {
    model: 'amazon.nova-lite-v1:0:300k',
    isDeployed: true,
    leaves: ['results'],
    habits: { autoEpochs: 2, mostStepsInEpoch: Number.POSITIVE_INFINITY },
    callAs: model => model.replace(/:\d+k$/, ''),
  },
  openai_compatible: OPENAI,
} as const satisfies Record<string, Traits>

export type ProviderName = keyof typeof PROVIDERS

export const PROVIDER_NAMES = Object.keys(PROVIDERS) as ProviderName[]

/** The table's row, without the narrower types of its literals. */
export const traitsOf = (provider: ProviderName): Traits => PROVIDERS[provider]
