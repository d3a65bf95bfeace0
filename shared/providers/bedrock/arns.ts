/** Names of things in AWS. Partitions: `aws`, `aws-cn`, `aws-us-gov`… */

const ARN = /^arn:aws[a-z-]*:bedrock:[a-z0-9-]*:(?:\d{12})?:([a-z-]+)\/(.+)$/

/** What kind of thing an ARN of Bedrock's names, or undefined when it is none. */
export const resourceType = (name: string): string | undefined => ARN.exec(name)?.[1]

/** The last part of an ARN, which is unique. */
export const resourceId = (arn: string): string => arn.split('/').at(-1) ?? ''

/** The base model behind a name: in an ARN of it, of a job or of a tune, behind a geography, or the name itself. */
export const foundationIdOf = (name: string): string => {
  const [, , path = ''] = ARN.exec(name) ?? []
  const id = path === '' ? name : (path.split('/')[0] ?? '')
  return id.replace(/^(?:us|us-gov|eu|apac|au|jp|ca|global)\./, '')
}
