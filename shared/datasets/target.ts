/**
 * For whom a dataset is judged: a provider, a model, a method.
 * @module
 */
import type { Context } from '../context.ts'
import type { Method } from '../openai/index.ts'
import { connectionName, type DatasetFormat, PROVIDERS } from '../providers/index.ts'
import { type Limits, limitsOf } from './limits.ts'

export interface Target {
  /** Null: any provider. Then only what none of them trains on is an error. */
  provider: string | null
  /** Without its prefix. */
  model: string | undefined
  method: Method['type'] | undefined
  format: DatasetFormat
  limits: Limits
}

/** Whoever may train on it one day. */
export const ANYONE: Target = {
  provider: null,
  model: undefined,
  method: undefined,
  format: 'openai',
  limits: {},
}

export interface TargetWish {
  provider?: string | undefined
  model?: string | undefined
  method?: Method['type'] | undefined
}

/** `openai/gpt-4.1` → its two halves, where the first is a connection. */
const splitPrefix = ({ config }: Pick<Context, 'config'>, model: string | undefined) => {
  const [prefix, ...rest] = model?.split('/') ?? []
  const isPrefix = prefix !== undefined && rest.length > 0 && Object.hasOwn(config.connections, prefix)
  return isPrefix ? { prefix, model: rest.join('/') } : { model }
}

/**
 * @throws {ApiError} 400 for a provider that is not configured
 */
export const targetOf = (
  context: Pick<Context, 'config' | 'provider'>,
  { provider: asked, model: full, method }: TargetWish,
): Target => {
  const { prefix, model } = splitPrefix(context, full)
  if (asked === undefined && model === undefined) return { ...ANYONE, method }
  // Judging takes no one's account: whoever calls may have any provider's judgement.
  const { config, provider: named } = context
  const name = connectionName(
    { config, provider: named },
    asked === undefined ? {} : { provider: asked },
    prefix,
  )
  const id = config.connections[name]?.provider ?? ''
  const provider = PROVIDERS[id]
  // What Bedrock's lines look like depends on the model.
  if (!provider || (id === 'bedrock' && model === undefined)) return { ...ANYONE, provider: id, method }
  return {
    provider: id,
    model,
    method,
    format: provider.formatOf(model ?? '', method ?? 'supervised'),
    limits: limitsOf(id, model),
  }
}
