/**
 * Azure OpenAI (Microsoft Foundry): OpenAI's wire on two surfaces, with keys or Entra tokens. A tune is callable only
 * through a deployment, so its name is the gateway's.
 */
import { defaultEpochs } from '../openai/epochs.ts'
import type { Provider } from '../provider.ts'
import { authorise, fields, missing } from './auth.ts'
import { capabilities } from './capabilities.ts'
import { chat } from './chat.ts'
import { deployments } from './deployments.ts'
import { toFault } from './faults.ts'
import { files } from './files.ts'
import { jobs } from './jobs.ts'
import { models } from './models.ts'
import { push } from './push.ts'

export const azure: Provider = {
  id: 'azure',
  capabilities,
  fields,
  missing,
  authorise,
  toFault,
  tuneNames: 'gateway',
  defaultEpochs: (_model, _method, examples) => defaultEpochs(examples),
  // JSONL for Azure must begin with a byte order mark.
  formatOf: () => 'openai_with_mark',
  files,
  jobs,
  chat,
  deployments,
  models,
  push,
}
