/** OpenAI. A tune is callable under its own name as soon as its job has succeeded, so nothing is deployed. */
import type { Provider } from '../provider.ts'
import { authorise } from './auth.ts'
import { capabilities } from './capabilities.ts'
import { chat } from './chat.ts'
import { defaultEpochs } from './epochs.ts'
import { toFault } from './faults.ts'
import { files } from './files.ts'
import { jobs } from './jobs.ts'
import { models } from './models.ts'
import { push } from './push.ts'

export const openai: Provider = {
  id: 'openai',
  capabilities,
  fields: {
    apiKey: { name: 'OPENAI_API_KEY', request: 'api_key', kind: 'credential' },
    baseUrl: {
      name: 'OPENAI_BASE_URL',
      request: 'api_base',
      kind: 'place',
      fallback: 'https://api.openai.com/v1',
    },
    organization: { name: 'OPENAI_ORG_ID', kind: 'account' },
    project: { name: 'OPENAI_PROJECT_ID', kind: 'account' },
    webhookSecret: { name: 'OPENAI_WEBHOOK_SECRET', kind: 'account' },
  },
  missing: ({ apiKey }) => (apiKey ? undefined : 'apiKey'),
  authorise,
  toFault,
  tuneNames: 'native',
  defaultEpochs: (_model, _method, examples) => defaultEpochs(examples),
  formatOf: () => 'openai',
  files,
  jobs,
  chat,
  models,
  push,
}
