/** The one account that AWS's stand-in knows, and how to reach it. */

export const REGION = 'us-east-1'
export const ACCOUNT = '123456789012'
export const BUCKET = 'sandbox-bucket'
export const BEDROCK_API_KEY = 'bedrock-api-key-sandbox'
export const ROLE_ARN = `arn:aws:iam::${ACCOUNT}:role/SandboxBedrockFineTuning`

export interface Credentials {
  accessKeyId: string
  secretAccessKey: string
}

export interface TemporaryCredentials extends Credentials {
  sessionToken: string
}

/** A user's long-term key. */
export const PERMANENT: Credentials = {
  accessKeyId: 'AKIASANDBOXSANDBOX00',
  secretAccessKey: 'sandbox/secret+access/key/of/a/user/0000',
}

/** What STS hands out: only good together with the token. */
export const TEMPORARY: TemporaryCredentials = {
  accessKeyId: 'ASIASANDBOXSANDBOX01',
  secretAccessKey: 'sandbox/secret+access/key/of/a/role/0001',
  sessionToken: 'sandbox-session-token//with+signs==',
}

/** The same an hour later. */
export const EXPIRED: TemporaryCredentials = {
  accessKeyId: 'ASIASANDBOXSANDBOX02',
  secretAccessKey: 'sandbox/secret+access/key/of/a/role/0002',
  sessionToken: 'sandbox-session-token-of-yesterday',
}

/** All that a client needs to know. */
export interface AwsAccess extends Credentials {
  region: string
  account: string
  temporary: TemporaryCredentials
  /** Rightly signed requests with these are refused as expired. */
  expired: TemporaryCredentials
  /** `Authorization: Bearer …`, on Bedrock's two hosts. */
  bedrockApiKey: string
  /** Exists from the start. */
  bucket: string
  /** A service role that jobs may be given. */
  roleArn: string
  /** Endpoint of S3, for path-style addressing. */
  s3Url: string
  bedrockUrl: string
  bedrockRuntimeUrl: string
}

/** Where each wire begins. */
export const PREFIXES = {
  s3: '/aws/s3',
  bedrock: '/aws/bedrock',
  bedrockRuntime: '/aws/bedrock-runtime',
} as const

/** @param origin `http://127.0.0.1:PORT` */
export function accessAt(origin: string): AwsAccess {
  return {
    region: REGION,
    account: ACCOUNT,
    ...PERMANENT,
    temporary: { ...TEMPORARY },
    expired: { ...EXPIRED },
    bedrockApiKey: BEDROCK_API_KEY,
    bucket: BUCKET,
    roleArn: ROLE_ARN,
    s3Url: origin + PREFIXES.s3,
    bedrockUrl: origin + PREFIXES.bedrock,
    bedrockRuntimeUrl: origin + PREFIXES.bedrockRuntime,
  }
}
