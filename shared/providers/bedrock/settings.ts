/** The fields of a connection to Amazon Bedrock, and what is wrong with them. */
import type { FieldSpec } from '../../credentials/index.ts'
import { ApiError } from '../../openai/index.ts'
import type { Settings } from '../provider.ts'

/** Names of variables are those of AWS's own tools where they have one. */
export const fields = {
  accessKeyId: { name: 'AWS_ACCESS_KEY_ID', request: 'aws_access_key_id', kind: 'credential' },
  secretAccessKey: { name: 'AWS_SECRET_ACCESS_KEY', request: 'aws_secret_access_key', kind: 'credential' },
  sessionToken: { name: 'AWS_SESSION_TOKEN', request: 'aws_session_token', kind: 'credential' },
  apiKey: { name: 'AWS_BEARER_TOKEN_BEDROCK', request: 'api_key', kind: 'credential' },
  region: { name: 'AWS_REGION', request: 'aws_region_name', kind: 'place' },
  roleArn: { name: 'BEDROCK_ROLE_ARN', kind: 'account' },
  bucket: { name: 'BEDROCK_BUCKET', kind: 'account' },
  prefix: { name: 'BEDROCK_PREFIX', kind: 'account', fallback: 'tunegate' },
  provisionedUnits: { name: 'BEDROCK_PROVISIONED_UNITS', kind: 'account' },
  bedrockUrl: { name: 'AWS_ENDPOINT_URL_BEDROCK', kind: 'place' },
  runtimeUrl: { name: 'AWS_ENDPOINT_URL_BEDROCK_RUNTIME', kind: 'place' },
  webhookSecret: { name: 'BEDROCK_WEBHOOK_SECRET', kind: 'account' },
  s3Url: { name: 'AWS_ENDPOINT_URL_S3', kind: 'place' },
} as const satisfies Record<string, FieldSpec>

export type Setting = keyof typeof fields

/** The field that is missing before anything can be sent: a key of either kind, and the region. */
export const missing = ({ apiKey, accessKeyId, secretAccessKey, region }: Settings): Setting | undefined => {
  if (!apiKey && !accessKeyId) return 'accessKeyId'
  if (accessKeyId && !secretAccessKey) return 'secretAccessKey'
  return region ? undefined : 'region'
}

/** A setting that cannot be used as it is. Its value is never told: it may be a secret in the wrong place. */
export const wrongSetting = (setting: Setting, why: string): ApiError =>
  new ApiError({
    status: 400,
    code: 'connection_unconfigured',
    param: setting,
    message: `The connection's ${setting} (${fields[setting].name}) ${why}.`,
  })

/** The role that jobs run under, checked before anything is sent. */
export const roleOf = ({ roleArn }: Settings): string => {
  if (!roleArn) throw wrongSetting('roleArn', 'is missing: jobs run under a service role of the account')
  if (!/^arn:aws[a-z-]*:iam::\d{12}:role\/.+$/.test(roleArn))
    throw wrongSetting('roleArn', 'is not the ARN of a role')
  return roleArn
}
