/** Secrets Manager and Parameter Store, as far as values are read from them. */

/** Values by their whole names. */
export interface Vaults {
  secrets: Map<string, string>
  /** Secrets that are deleted, and could still be restored. */
  deleted: Set<string>
  parameters: Map<string, string>
}

export interface Answer {
  status: number
  body: object
}

const refusal = (type: string, message: string): Answer => ({
  status: 400,
  body: { __type: type, message },
})

const textIn = (request: unknown, field: string): string => {
  const value = typeof request === 'object' && request !== null ? Reflect.get(request, field) : undefined
  return typeof value === 'string' ? value : ''
}

/** `secretsmanager.GetSecretValue` */
export const getSecretValue = ({ secrets, deleted }: Vaults, request: unknown): Answer => {
  const name = textIn(request, 'SecretId')
  if (deleted.has(name))
    return refusal(
      'InvalidRequestException',
      "You can't perform this operation on the secret because it was marked for deletion.",
    )
  const value = secrets.get(name)
  return value === undefined
    ? refusal('ResourceNotFoundException', "Secrets Manager can't find the specified secret.")
    : { status: 200, body: { Name: name, SecretString: value, VersionStages: ['AWSCURRENT'] } }
}

/** `AmazonSSM.GetParameter`. A parameter that is to be kept secret comes encrypted unless it is asked for otherwise. */
export const getParameter = ({ parameters }: Vaults, request: unknown): Answer => {
  const name = textIn(request, 'Name')
  const value = parameters.get(name)
  if (value === undefined) return refusal('ParameterNotFound', '')
  const isPlain =
    typeof request === 'object' && request !== null && Reflect.get(request, 'WithDecryption') === true
  return {
    status: 200,
    body: { Parameter: { Name: name, Type: 'SecureString', Value: isPlain ? value : 'AQICAHh-encrypted' } },
  }
}
