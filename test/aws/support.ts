/** The adapters on what stands in for AWS, as a function of the sandbox's account would use them. */
import { TEMPORARY } from '../../sandbox/aws/account.ts'
import { type AwsServices, startAwsServices } from '../../sandbox/aws-platform/services.ts'
import { type Sandbox, startSandbox } from '../../sandbox/server.ts'
import { createAwsClient } from '../../shared/platform/aws/client.ts'
import { createCredentials } from '../../shared/platform/aws/credentials.ts'
import type { Clock, Environment } from '../../shared/platform/index.ts'

export interface AwsBench {
  sandbox: Sandbox
  services: AwsServices
  variables: Record<string, string | undefined>
  environment: Environment
}

/** The variables of a Lambda function with a role: temporary keys, which are nothing without their token. */
export const functionVariables = (sandbox: Sandbox, services: AwsServices) => ({
  AWS_ACCESS_KEY_ID: TEMPORARY.accessKeyId,
  AWS_SECRET_ACCESS_KEY: TEMPORARY.secretAccessKey,
  AWS_SESSION_TOKEN: TEMPORARY.sessionToken,
  AWS_REGION: sandbox.aws.region,
  AWS_ENDPOINT_URL_DYNAMODB: services.origin,
  AWS_ENDPOINT_URL_SQS: services.origin,
  AWS_ENDPOINT_URL_SECRETS_MANAGER: services.origin,
  AWS_ENDPOINT_URL_SSM: services.origin,
  AWS_ENDPOINT_URL_STS: services.origin,
  AWS_ENDPOINT_URL_S3: sandbox.aws.s3Url,
  TUNEGATE_TABLE: services.table,
  TUNEGATE_BUCKET: sandbox.aws.bucket,
  TUNEGATE_QUEUE_URL: services.queueUrl,
})

export const startAwsBench = async (): Promise<AwsBench> => {
  const [sandbox, services] = await Promise.all([startSandbox(), startAwsServices()])
  const variables: AwsBench['variables'] = functionVariables(sandbox, services)
  return { sandbox, services, variables, environment: { get: name => variables[name] || undefined } }
}

/** Never waits: repetitions come at once. */
export const hastyClock: Clock = { now: () => Date.now(), sleep: async () => undefined }

export const clientOf = ({ environment }: AwsBench, clock: Clock = hastyClock) =>
  createAwsClient({
    environment,
    credentials: createCredentials({ environment, fetch, clock }),
    fetch,
    clock,
  })
