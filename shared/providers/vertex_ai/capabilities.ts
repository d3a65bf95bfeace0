/**
 * What Vertex AI tunes. Gemini 2.5 was retired on 2026-10-16, and its tunes with it; later Gemini models are on no page of
 * tunable ones.
 */
import type { Capabilities } from '../provider.ts'

const GIB = 1024 ** 3
const publisherName = (name: string) => `publishers/google/models/${name}`

const retired = ['gemini-2.5-pro', 'gemini-2.5-flash', 'gemini-2.5-flash-lite']
const tunable = ['gemini-3.5-flash', 'gemini-3.5-flash-lite', 'gemini-3.1-flash-lite']

export const capabilities: Capabilities = {
  source: 'https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/models/tuning',
  asOf: '2026-11-20',
  maxFileBytes: GIB,
  // Labels take less than metadata may hold: the gateway keeps it, and its own label is the only one.
  maxMetadataPairs: 1,
  models: [
    ...tunable.map(
      name =>
        ({
          names: [name, publisherName(name)],
          methods: ['supervised', 'dpo'],
          trainableUntil: null,
          servedUntil: null,
        }) as const,
    ),
    // Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions. New tuning ends a month before.
    ...retired.map(
      name =>
        ({
          names: [name, publisherName(name)],
          methods: ['supervised', 'dpo'],
          trainableUntil: '2026-09-16',
          servedUntil: '2026-10-16',
        }) as const,
    ),
  ],
}
