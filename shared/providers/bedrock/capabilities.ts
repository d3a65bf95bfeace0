/**
 * What Bedrock tunes. Dates of retirement are not published per base model: the API's `modelLifecycle` has them when the
 * time comes, and Bedrock itself refuses jobs for what has become legacy.
 */
import type { Capabilities } from '../provider.ts'
import { BASES, withoutContext } from './bases.ts'

export const capabilities: Capabilities = {
  source: 'https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-fine-tuning.html',
  asOf: '2026-11-20',
  // The largest of the models' own limits; each refuses what is beyond its own.
  maxFileBytes: 10 * 1024 * 1024 * 1024,
  // AWS's limit of tags on one resource.
  maxMetadataPairs: 50,
  models: BASES.map(({ id }) => ({
    names: [withoutContext(id), id],
    methods: ['supervised'],
    trainableUntil: null,
    servedUntil: null,
  })),
}
