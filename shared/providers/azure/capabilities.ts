/**
 * What Azure tunes, for customers who tuned before the base models were retired in October 2026. Dates: Microsoft's
 * retirement schedule of 2026-07-07, which says "not before"; the earliest of its dates stands for all.
 */
import type { Capabilities, TunableModel } from '../provider.ts'

/** Training ends from 2027-04-01 to 2027-04-16, by model. */
const TRAINABLE_UNTIL = '2027-04-01'
const SERVED_UNTIL = '2027-10-01'

const openaiModel = (name: string, methods: TunableModel['methods']): TunableModel => ({
  names: [name, name.replace(/-\d{4}-\d{2}-\d{2}$/, '')],
  methods,
  trainableUntil: TRAINABLE_UNTIL,
  servedUntil: SERVED_UNTIL,
})

/** Of other makers, in Foundry resources with global training (table of 2026-03-05); no dates are announced. */
const foundryModel = (name: string): TunableModel => ({
  names: [name],
  methods: ['supervised'],
  trainableUntil: null,
  servedUntil: null,
})

export const capabilities: Capabilities = {
  source: 'https://learn.microsoft.com/azure/ai-foundry/openai/concepts/model-retirements',
  asOf: '2026-11-20',
  // Through the API; the portal takes 200 MB.
  maxFileBytes: 512 * 1024 * 1024,
  maxMetadataPairs: 16,
  models: [
    openaiModel('gpt-4.1-2025-04-14', ['supervised', 'dpo']),
    openaiModel('gpt-4.1-mini-2025-04-14', ['supervised', 'dpo']),
    openaiModel('gpt-4.1-nano-2025-04-14', ['supervised', 'dpo']),
    openaiModel('gpt-4o-2024-08-06', ['supervised', 'dpo']),
    openaiModel('gpt-4o-mini-2024-07-18', ['supervised']),
    openaiModel('o4-mini-2025-04-16', ['reinforcement']),
    // Only for customers who were let in.
    { names: ['gpt-5'], methods: ['reinforcement'], trainableUntil: null, servedUntil: null },
    ...['Ministral-3B', 'Qwen-32B', 'Llama-3.3-70B', 'gpt-oss-20b'].map(foundryModel),
  ],
}
