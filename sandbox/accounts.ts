/**
 * The sandbox's accounts at every provider, as a deployment of the gateway would be given them.
 * @module
 */
import type { AwsAccess } from './aws/account.ts'
import type { AzureFacts } from './azure/app.ts'
import type { GoogleAccess } from './google/app.ts'

/** What there is to know of the accounts: a `Sandbox` has it all, and so do the answers of `/_sandbox/…` together. */
export interface Accounts {
  /** `http://127.0.0.1:PORT` */
  origin: string
  /** What the OpenAI wire takes. */
  apiKey: string
  azure: AzureFacts
  google: Pick<GoogleAccess, 'serviceAccount' | 'project' | 'bucket' | 'aiplatformUrl' | 'storageUrl'>
  aws: AwsAccess
}

/** The environment variables of a deployment that has an account at each provider of the sandbox. */
export const accountVariables = ({ origin, apiKey, azure, google, aws }: Accounts) => ({
  TUNEGATE_SANDBOX_ORIGIN: origin,

  OPENAI_API_KEY: apiKey,
  OPENAI_BASE_URL: `${origin}/v1`,

  OPENAI_COMPATIBLE_API_KEY: apiKey,
  OPENAI_COMPATIBLE_BASE_URL: `${origin}/v1`,

  AZURE_OPENAI_ENDPOINT: `${origin}/azure/${azure.resource}`,
  AZURE_OPENAI_API_KEY: azure.apiKey,
  AZURE_TENANT_ID: azure.tenantId,
  AZURE_CLIENT_ID: azure.clientId,
  AZURE_CLIENT_SECRET: azure.clientSecret,
  AZURE_AUTHORITY_HOST: azure.loginUrl,
  AZURE_RESOURCE_MANAGER_URL: azure.armUrl,
  AZURE_SUBSCRIPTION_ID: azure.subscriptionId,
  AZURE_RESOURCE_GROUP: azure.resourceGroup,
  AZURE_OPENAI_ACCOUNT: azure.resource,

  GOOGLE_APPLICATION_CREDENTIALS_JSON: JSON.stringify(google.serviceAccount),
  VERTEX_PROJECT: google.project,
  VERTEX_LOCATION: 'us-central1',
  VERTEX_BUCKET: google.bucket,
  VERTEX_AIPLATFORM_URL: google.aiplatformUrl,
  VERTEX_STORAGE_URL: google.storageUrl,

  AWS_ACCESS_KEY_ID: aws.accessKeyId,
  AWS_SECRET_ACCESS_KEY: aws.secretAccessKey,
  AWS_REGION: aws.region,
  BEDROCK_ROLE_ARN: aws.roleArn,
  BEDROCK_BUCKET: aws.bucket,
  AWS_ENDPOINT_URL_BEDROCK: aws.bedrockUrl,
  AWS_ENDPOINT_URL_BEDROCK_RUNTIME: aws.bedrockRuntimeUrl,
  AWS_ENDPOINT_URL_S3: aws.s3Url,
})
