/** Names of things in the one account and region. */
import { randomInt } from 'node:crypto'
import { ACCOUNT, REGION } from '../account.ts'

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyz'
const ID_LENGTH = 12

/** Twelve small letters or digits, as in Bedrock's ARNs. */
export const newResourceId = (): string =>
  Array.from({ length: ID_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')

export type ResourceType =
  | 'model-customization-job'
  | 'custom-model'
  | 'custom-model-deployment'
  | 'provisioned-model'
  | 'imported-model'

/** @param parts what stands behind the type: `amazon.nova-lite-v1:0:300k`, `abcdefghijkl` */
export const arnOf = (type: ResourceType, ...parts: string[]): string =>
  [`arn:aws:bedrock:${REGION}:${ACCOUNT}:${type}`, ...parts].join('/')

export const foundationArn = (modelId: string): string =>
  `arn:aws:bedrock:${REGION}::foundation-model/${modelId}`

/** The model id in a foundation model's ARN; anything else as it is. */
export const foundationIdIn = (identifier: string): string => {
  const prefix = foundationArn('')
  return identifier.startsWith(prefix) ? identifier.slice(prefix.length) : identifier
}
