/** Bedrock's models: the base models that answer with text, and tunes by their ARN. */
import * as z from 'zod'
import { badRequest } from '../../openai/index.ts'
import type { Provider } from '../provider.ts'
import { foundationIdOf, resourceType } from './arns.ts'
import { withoutContext } from './bases.ts'
import { urlOf } from './hosts.ts'

const modelList = z.object({
  modelSummaries: z.array(z.object({ modelId: z.string(), providerName: z.string().optional() })).default([]),
})

/** The kinds of ARN that name a tune, or something that serves one. */
const TUNED = ['custom-model', 'custom-model-deployment', 'provisioned-model', 'imported-model']
/** Those that are models, with the collection they are deleted from. */
const COLLECTION: Record<string, string> = {
  'custom-model': 'custom-models',
  'imported-model': 'imported-models',
}

export const models: Provider['models'] = {
  async list({ settings, read }) {
    const { modelSummaries } = await read(modelList, {
      method: 'GET',
      url: urlOf(settings, 'bedrock', ['foundation-models'], { byOutputModality: 'TEXT' }),
      repeat: 'always',
    })
    return modelSummaries.map(({ modelId, providerName }) => ({
      id: modelId,
      object: 'model',
      // Bedrock does not say since when.
      created: 0,
      owned_by: providerName ?? 'bedrock',
    }))
  },
  async delete({ settings, call }, name) {
    const collection = COLLECTION[resourceType(name) ?? '']
    if (collection === undefined)
      throw badRequest('model', `'${name}' is not the ARN of a tuned or imported model.`)
    await call({
      method: 'DELETE',
      url: urlOf(settings, 'bedrock', [collection, name]),
      repeat: 'always',
    })
  },
  baseOf: name => withoutContext(foundationIdOf(name)),
  isTuned: name => TUNED.includes(resourceType(name) ?? ''),
}
