/**
 * Names that Bedrock accepts, made of ours. The gateway's label becomes a job's name and its idempotency token: a job of
 * unknown outcome is found by the one and not made twice by the other.
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelCustomizationJob.html
 * @module
 */

/** For jobs up to 63, for tokens up to 256 characters. */
const LONGEST_NAME = 63

/** `[0-9a-zA-Z]` with single `-` or `_` between: what jobs, models, deployments and tokens all take. */
const tame = (text: string): string =>
  text
    .replace(/[^0-9a-zA-Z_-]+/g, '-')
    .replace(/[_-]{2,}/g, '-')
    .replace(/^[_-]+|[_-]+$/g, '')

/** The job's name: the label itself, which is made of letters, digits and a hyphen. */
export const jobNameOf = (label: string): string => tame(label).replaceAll('_', '-').slice(0, LONGEST_NAME)

/** `clientRequestToken`: letters, digits and hyphens. */
export const tokenOf = (text: string): string => tame(text).replaceAll('_', '-').slice(0, 256)

/** Characters of the label that keep models of the same suffix apart. */
const ID_LENGTH = 12

/** The tuned model's name: the caller's suffix as far as it can be a name, and the end of the label. */
export const modelNameOf = (suffix: string | null, label: string): string => {
  const id = tame(label)
    .slice(-ID_LENGTH)
    .replace(/^[_-]+/, '')
  const words = tame(suffix ?? '')
    .slice(0, LONGEST_NAME - ID_LENGTH - 1)
    .replace(/[_-]+$/, '')
  return `${words === '' ? 'tuned' : words}-${id}`
}

/** The name of a deployment or of provisioned throughput. */
export const deploymentNameOf = (name: string): string =>
  tame(name)
    .slice(0, LONGEST_NAME)
    .replace(/[_-]+$/, '')

export interface Tag {
  key: string
  value: string
}

/** @see https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html */
const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u
const isTag = ([key, value]: [string, string]) =>
  key.length > 0 &&
  key.length <= 128 &&
  value.length <= 256 &&
  !/^aws:/i.test(key) &&
  TAG_TEXT.test(key) &&
  TAG_TEXT.test(value)

/** Pairs as tags. What AWS has no signs for stays in the gateway, which keeps all metadata anyway. */
export const tagsOf = (pairs: Record<string, string>): Tag[] =>
  Object.entries(pairs)
    .filter(isTag)
    .map(([key, value]) => ({ key, value }))
