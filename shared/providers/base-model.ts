/**
 * From any name of a model to the one that tables know it by.
 * @module
 */
import { PROVIDERS } from './registry.ts'

/**
 * `ft:base:org:suffix:id` is OpenAI's name of a tune, `ft:base:provider:suffix:id` the gateway's own; a checkpoint has `:ckpt-step-N` behind
 * it. The suffix may be empty, and a base may hold colons itself: what follows it is counted from the end.
 */
const baseOfTune = (name: string): string => {
  if (!name.startsWith('ft:')) return name
  const [, ...parts] = name.replace(/:ckpt-step-\d+$/, '').split(':')
  return parts.length > 3 ? parts.slice(0, -3).join(':') : (parts[0] ?? name)
}

/** The day from which on a provider serves neither a model nor its tunes: `YYYY-MM-DD`, or null where none is known. */
export const servedUntil = (provider: string, model: string): string | null => {
  const base = baseModelOf(provider, model)
  const models = PROVIDERS[provider]?.capabilities.models
  return models?.find(({ names }) => names.includes(base))?.servedUntil ?? null
}

/**
 * The base model behind a name: of a tune, a checkpoint, an alias (`gpt-4.1-mini` → `gpt-4.1-mini-2025-04-14`), or behind a path or an ARN.
 * A name that nothing is known of stays as it is.
 */
export const baseModelOf = (provider: string, model: string): string => {
  const untuned = baseOfTune(model)
  const known = PROVIDERS[provider]
  const base = known?.models.baseOf(untuned) ?? untuned
  return known?.capabilities.models.find(({ names }) => names.includes(base))?.names[0] ?? base
}
