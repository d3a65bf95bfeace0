/** Who and what exists in the stand-in's Azure. All of it is made up. */

export const TENANT_ID = '7e57ab1e-0000-4000-8000-00000000a2d0'
export const CLIENT_ID = '7e57ab1e-0000-4000-8000-00000000c11e'
export const CLIENT_SECRET = 'sandbox~client~secret'
export const SUBSCRIPTION_ID = '7e57ab1e-0000-4000-8000-0000000050b5'
export const RESOURCE_GROUP = 'sandbox-rg'

/** The outside issuer that the application trusts (workload identity federation). */
export const FEDERATION = {
  issuer: 'https://issuer.sandbox.test',
  subject: 'system:serviceaccount:default:tunegate',
  audience: 'api://AzureADTokenExchange',
} as const

export const ISSUER = `https://sts.sandbox.test/${TENANT_ID}/`

/** What a token can be for: its audience is its scope without `/.default`. */
export const AUDIENCES = {
  cognitiveServices: 'https://cognitiveservices.azure.com',
  foundry: 'https://ai.azure.com',
  management: 'https://management.azure.com',
} as const

export type Audience = (typeof AUDIENCES)[keyof typeof AUDIENCES]
