/** Bedrock's control plane: everything below `/aws/bedrock`. */
import type { Hono } from 'hono'
import type { Tempo } from '../../tempo.ts'
import { jsonService, unknownOperation } from '../json-service.ts'
import type { Env } from '../raw-request.ts'
import type { Store } from '../s3/store.ts'
import { Lifecycles } from './base-models.ts'
import { CustomModels, customModelRoutes } from './custom-models.ts'
import { type Deployment, deploymentRoutes } from './deployments.ts'
import { foundationModelRoutes } from './foundation-models.ts'
import { Jobs, jobRoutes } from './jobs.ts'
import { type ProvisionedModel, provisionedList, provisionedRoutes } from './provisioned.ts'
import { Servings } from './servings.ts'

export interface Bedrock {
  app: Hono<Env>
  jobs: Jobs
  models: CustomModels
  deployments: Servings<Deployment>
  provisioned: Servings<ProvisionedModel>
  lifecycles: Lifecycles
  reset(): void
}

export function createBedrock(store: Store, tempo: Tempo): Bedrock {
  const jobs = new Jobs()
  const models = new CustomModels()
  const deployments = new Servings<Deployment>('custom model deployment', tempo)
  const provisioned = new Servings<ProvisionedModel>('provisioned model', tempo)
  const lifecycles = new Lifecycles()

  const app = jsonService()
  app.route('/model-customization-jobs', jobRoutes(jobs, { store, models, lifecycles, tempo }))
  app.route(
    '/custom-models',
    customModelRoutes(models, model => deployments.serves(model) || provisioned.serves(model)),
  )
  app.route('/model-customization/custom-model-deployments', deploymentRoutes(deployments, models))
  app.route('/provisioned-model-throughput', provisionedRoutes(provisioned, { models, lifecycles }))
  app.route('/provisioned-model-throughputs', provisionedList(provisioned))
  app.route('/foundation-models', foundationModelRoutes(lifecycles))
  app.all('*', unknownOperation)

  return {
    app,
    jobs,
    models,
    deployments,
    provisioned,
    lifecycles,
    reset: () => {
      jobs.clear()
      deployments.clear()
      provisioned.clear()
      models.ledger.clear()
      lifecycles.clear()
    },
  }
}
