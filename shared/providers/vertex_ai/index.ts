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
  // Google says only that it recommends a value by the dataset, where none is given; it takes up to 10 by itself in reinforcement tuning.
  defaultEpochs: () => ({
    low: 1,
    expected: 3,
    high: 10,
    rule: 'chosen by Vertex AI for the dataset, in a way that is not published: 1 to 10 are assumed',
    source: 'https://docs.cloud.google.com/vertex-ai/generative-ai/docs/models/gemini-use-supervised-tuning',
  }),
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
