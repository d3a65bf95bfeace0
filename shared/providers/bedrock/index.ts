/**
 * Amazon Bedrock: datasets in S3, model customization jobs, deployments, Converse. A job's model answers only where it is
 * deployed.
 * @module
 */
import type { DatasetFormat, Provider } from '../provider.ts'
import { authorise } from './auth.ts'
import { type Family, familyOf } from './bases.ts'
import { capabilities } from './capabilities.ts'
import { chat } from './chat/index.ts'
import { deployments } from './deployments.ts'
import { toFault } from './faults.ts'
import { files } from './files.ts'
import { defaultEpochs } from './hyperparameters.ts'
import { jobs } from './jobs.ts'
import { models } from './models.ts'
import { push } from './push.ts'
import { fields, missing } from './settings.ts'

const FORMAT: Record<Family, DatasetFormat> = {
  nova: 'nova',
  claude: 'claude',
  llama: 'prompt_completion',
  titan: 'prompt_completion',
}

export const bedrock: Provider = {
  id: 'bedrock',
  capabilities,
  fields,
  missing,
  authorise,
  toFault,
  tuneNames: 'gateway',
  defaultEpochs: model => defaultEpochs(familyOf(model)),
  formatOf: model => FORMAT[familyOf(model) ?? 'llama'],
  files,
  jobs,
  chat,
  deployments,
  models,
  push,
}
