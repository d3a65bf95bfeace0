/** Azure's models. What a chat names is none of them but a deployment. */
import * as z from 'zod'
import { badRequest } from '../../openai/index.ts'
import { models as openaiModels } from '../openai/models.ts'
import { urlOf } from '../openai/url.ts'
import type { Provider } from '../provider.ts'
import { azurely, isDated, onSurface } from './url.ts'

const model = z.object({
  id: z.string(),
  created: z.number().nullish(),
  created_at: z.number().nullish(),
  owned_by: z.string().nullish(),
  /** The job that made it, where it is a tune. */
  fine_tune: z.string().nullish(),
})
const modelList = z.object({ data: z.array(model) })

export const models: Provider['models'] = {
  async list(channel) {
    const { settings, read } = onSurface(channel)
    const { data } = await read(modelList, {
      method: 'GET',
      url: urlOf(settings, ['models']),
      repeat: 'always',
    })
    return data
      .filter(({ id, fine_tune }) => !fine_tune && !models.isTuned(id))
      .map(({ id, created, created_at, owned_by }) => ({
        object: 'model',
        id,
        created: created ?? created_at ?? 0,
        owned_by: owned_by ?? 'azure',
      }))
  },
  async delete(channel, name) {
    if (!isDated(channel.settings)) return azurely(openaiModels.delete)(channel, name)
    // The dated API deletes a tune with the job that made it (`FineTuning_Delete` of its specification).
    const { settings, read, call } = onSurface(channel)
    const { fine_tune } = await read(model, {
      method: 'GET',
      url: urlOf(settings, ['models', name]),
      repeat: 'always',
    })
    if (!fine_tune) {
      throw badRequest(
        'model',
        `Azure does not say which job made '${name}': it cannot be deleted.`,
        'feature_unsupported',
      )
    }
    await call({
      method: 'DELETE',
      url: urlOf(settings, ['fine_tuning', 'jobs', fine_tune]),
      repeat: 'always',
    })
  },
  baseOf: name => name.replace(/\.ft-[0-9a-f]{8}.*$/, ''),
  // `gpt-4.1-mini-2025-04-14.ft-<hex>[-suffix]`. Deployments have any name: nothing tells what they serve.
  isTuned: name => /\.ft-[0-9a-f]{8}/.test(name),
}
