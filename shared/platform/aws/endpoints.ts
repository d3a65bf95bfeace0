/**
 * Where AWS's services are. The variables that name other places are those of AWS's own tools.
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
 * @module
 */
import type { Environment } from '../ports.ts'

export type AwsService = 'dynamodb' | 's3' | 'sqs' | 'secretsmanager' | 'ssm' | 'sts'

const VARIABLES: Record<AwsService, string> = {
  dynamodb: 'AWS_ENDPOINT_URL_DYNAMODB',
  s3: 'AWS_ENDPOINT_URL_S3',
  sqs: 'AWS_ENDPOINT_URL_SQS',
  secretsmanager: 'AWS_ENDPOINT_URL_SECRETS_MANAGER',
  ssm: 'AWS_ENDPOINT_URL_SSM',
  sts: 'AWS_ENDPOINT_URL_STS',
}

/** A setting of the deployment is missing or wrong. The message names the variable, never its value. */
export class SettingError extends Error {
  override readonly name = 'SettingError'
}

/** A setting that the deployment cannot do without. */
export const needed = (environment: Environment, name: string): string => {
  const value = environment.get(name)
  if (value === undefined) throw new SettingError(`The variable ${name} is missing.`)
  return value
}

/** Lambda always has one. */
export const regionOf = (environment: Environment): string => {
  const region = needed(environment, 'AWS_REGION')
  // It becomes part of a host.
  if (!/^[a-z0-9-]{1,40}$/.test(region)) throw new SettingError('The variable AWS_REGION is no region.')
  return region
}

const domainOf = (region: string) => (region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com')

/** The service's endpoint in the function's own region. */
export const endpointOf = (environment: Environment, service: AwsService): URL => {
  const name = VARIABLES[service]
  const given = environment.get(name)
  if (given === undefined) {
    const region = regionOf(environment)
    return new URL(`https://${service}.${region}.${domainOf(region)}/`)
  }
  if (!URL.canParse(given)) throw new SettingError(`The variable ${name} is not a URL.`)
  return new URL(given)
}
