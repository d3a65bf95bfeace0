/**
 * The sandbox's accounts at every provider, as a deployment would be given them.
 * @module
 */

interface Facts {
  azure: Record<string, string>
  google: Record<string, unknown>
  aws: Record<string, string>
}

const facts = async (origin: string): Promise<Facts> => {
  const read = async (name: string) => (await fetch(`${origin}/_sandbox/${name}`)).json()
  const [azure, google, aws] = await Promise.all([read('azure'), read('google'), read('aws')])
  return { azure, google, aws } as Facts
}

/** The environment variables of a deployment that has an account at each provider of the sandbox. */
export const providerVariables = async (origin: string): Promise<Record<string, string>> => {
  const { azure, google, aws } = await facts(origin)
  return {
    OPENAI_COMPATIBLE_API_KEY: 'sk-sandbox',
    OPENAI_COMPATIBLE_BASE_URL: `${origin}/v1`,

    AZURE_OPENAI_ENDPOINT: `${origin}/azure/${azure.resource}`,
    AZURE_OPENAI_API_KEY: azure.apiKey ?? '',
    AZURE_TENANT_ID: azure.tenantId ?? '',
    AZURE_CLIENT_ID: azure.clientId ?? '',
    AZURE_CLIENT_SECRET: azure.clientSecret ?? '',
    AZURE_AUTHORITY_HOST: `${origin}/azure/login`,
    AZURE_RESOURCE_MANAGER_URL: azure.armUrl ?? '',
    AZURE_SUBSCRIPTION_ID: azure.subscriptionId ?? '',
    AZURE_RESOURCE_GROUP: azure.resourceGroup ?? '',
    AZURE_OPENAI_ACCOUNT: azure.resource ?? '',

    GOOGLE_APPLICATION_CREDENTIALS_JSON: JSON.stringify(google.serviceAccount),
    VERTEX_PROJECT: String(google.project),
    VERTEX_LOCATION: 'us-central1',
    VERTEX_BUCKET: String(google.bucket),
    VERTEX_AIPLATFORM_URL: String(google.aiplatformUrl),
    VERTEX_STORAGE_URL: String(google.storageUrl),

    AWS_ACCESS_KEY_ID: aws.accessKeyId ?? '',
    AWS_SECRET_ACCESS_KEY: aws.secretAccessKey ?? '',
    AWS_REGION: aws.region ?? '',
    BEDROCK_ROLE_ARN: aws.roleArn ?? '',
    BEDROCK_BUCKET: aws.bucket ?? '',
    AWS_ENDPOINT_URL_BEDROCK: aws.bedrockUrl ?? '',
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME: aws.bedrockRuntimeUrl ?? '',
    AWS_ENDPOINT_URL_S3: aws.s3Url ?? '',
  }
}

/** A base model to tune at each provider, and whether a tune has to be deployed before it answers. */
export const PROVIDERS = [
  { provider: 'openai', model: 'gpt-4.1-mini-2025-04-14', isDeployed: false },
  { provider: 'openai_compatible', model: 'gpt-4.1-mini-2025-04-14', isDeployed: false },
  { provider: 'azure', model: 'gpt-4.1-mini-2025-04-14', isDeployed: true },
  { provider: 'vertex_ai', model: 'gemini-3.5-flash', isDeployed: false },
  { provider: 'bedrock', model: 'amazon.nova-lite-v1:0:300k', isDeployed: true },
] as const
