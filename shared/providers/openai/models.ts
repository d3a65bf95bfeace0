/** OpenAI's models: what the account may use, and its tunes. */
import * as z from 'zod'
import type { Provider } from '../provider.ts'
import { urlOf } from './url.ts'

const modelList = z.object({
  data: z.array(z.object({ id: z.string(), created: z.number(), owned_by: z.string() })),
})

export const models: Provider['models'] = {
  async list({ settings, read }) {
    const { data } = await read(modelList, {
      method: 'GET',
      url: urlOf(settings, ['models']),
      repeat: 'always',
    })
    return data.map(model => ({ object: 'model', ...model }))
  },
  async delete({ settings, call }, name) {
    await call({ method: 'DELETE', url: urlOf(settings, ['models', name]), repeat: 'always' })
  },
  baseOf: name => name,
  isTuned: name => name.startsWith('ft:'),
}
