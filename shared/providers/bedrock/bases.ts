/**
 * The base models that Bedrock tunes, and what is different about each.
 * @see https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-fine-tuning.html (2026-11-20)
 * @see https://docs.aws.amazon.com/bedrock/latest/userguide/deploy-custom-model-on-demand.html
 * @module
 */
import { foundationIdOf } from './arns.ts'

/** Models that are tuned alike. */
export type Family = 'nova' | 'claude' | 'llama' | 'titan'

export interface Base {
  /** With the context length behind it, as jobs want it. */
  id: string
  family: Family
  /** Whether its tunes are deployed on demand; others need provisioned throughput. */
  onDemand: boolean
  /** Whether a job takes a validation dataset. */
  validation: boolean
}

const nova = { family: 'nova', onDemand: true, validation: true } as const
const llama = { family: 'llama', onDemand: false, validation: true } as const

export const BASES: readonly Base[] = [
  { ...nova, id: 'amazon.nova-2-lite-v1:0:256k', validation: false },
  { ...nova, id: 'amazon.nova-micro-v1:0:128k' },
  { ...nova, id: 'amazon.nova-lite-v1:0:300k' },
  { ...nova, id: 'amazon.nova-pro-v1:0:300k' },
  {
    id: 'anthropic.claude-3-haiku-20240307-v1:0:200k',
    family: 'claude',
    onDemand: false,
    validation: true,
  },
  { ...llama, id: 'meta.llama3-1-8b-instruct-v1:0:128k' },
  { ...llama, id: 'meta.llama3-1-70b-instruct-v1:0:128k' },
  { ...llama, id: 'meta.llama3-2-1b-instruct-v1:0:128k' },
  { ...llama, id: 'meta.llama3-2-3b-instruct-v1:0:128k' },
  { ...llama, id: 'meta.llama3-2-11b-instruct-v1:0:128k' },
  { ...llama, id: 'meta.llama3-2-90b-instruct-v1:0:128k' },
  { ...llama, id: 'meta.llama3-3-70b-instruct-v1:0:128k', onDemand: true },
]

/** `amazon.nova-lite-v1:0:300k` → `amazon.nova-lite-v1:0`, the name it is called by without tuning. */
export const withoutContext = (id: string): string => id.replace(/:\d+k$/, '')

/** The row of a model by any of its names: with or without context length, in an ARN, or what a tune of it is called. */
export const baseOf = (model: string): Base | undefined => {
  const id = withoutContext(foundationIdOf(model))
  return BASES.find(base => withoutContext(base.id) === id)
}

/** What a job is given for a model: a known one with its context length, any other as it stands. */
export const trainableId = (model: string): string =>
  model.startsWith('arn:') ? model : (baseOf(model)?.id ?? model)

/** By the name of the maker: new members of a family are tuned like the others until we know better. */
export const familyOf = (model: string): Family | undefined => {
  const known = baseOf(model)
  if (known) return known.family
  const id = foundationIdOf(model)
  if (/^amazon\.nova/.test(id)) return 'nova'
  if (/^anthropic\./.test(id)) return 'claude'
  if (/^meta\.llama/.test(id)) return 'llama'
  return /^amazon\.titan-text/.test(id) ? 'titan' : undefined
}
