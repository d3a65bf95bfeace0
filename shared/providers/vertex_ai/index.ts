/**
 * Vertex AI: Gemini's tuning jobs on datasets in Cloud Storage. A tune answers at an endpoint of its own as soon as its job has
 * succeeded, so nothing is deployed; the endpoint's name is Google's, callers get one of the gateway's.
 */
import type { Provider } from '../provider.ts'
import { authorise, fields, missing } from './auth.ts'
import { capabilities } from './capabilities.ts'
import { generate } from './chat/index.ts'
import { toFault } from './faults.ts'
import { files } from './files.ts'
import { jobs } from './jobs.ts'
import { models } from './models.ts'
import { chatThrough, predictions } from './predictions.ts'
import { push } from './push.ts'
import { targetOf } from './targets.ts'

export const vertexAi: Provider = {
  id: 'vertex_ai',
  capabilities,
  fields,
  missing,
  authorise,
  toFault,
  tuneNames: 'gateway',
  formatOf: () => 'gemini',
  files,
  jobs,
  chat: {
    complete: async (channel, request) => {
      const target = targetOf(channel.settings, request)
      return target.way === 'generate'
        ? generate(channel, target.speaker, request)
        : chatThrough(channel, target, request)
    },
  },
  models,
  predictions,
  push,
}
