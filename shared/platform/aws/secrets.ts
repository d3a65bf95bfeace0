/**
 * The Secrets on Secrets Manager, then on Parameter Store, each below the prefix it is given; without one it is not asked.
 * @module
 */
import type { Clock, Environment, Secrets } from '../ports.ts'
import { type AwsClient, AwsError, type JsonService } from './client.ts'

/** Milliseconds: each look-up is paid for, and one for every field of a connection that is nowhere else. */
const TTL_MS = 300_000
/** Names are the deployment's own; a bound all the same. */
const MOST_KNOWN = 1000

interface Vault {
  service: JsonService
  action: string
  prefix: string
  request(name: string): object
  /** What it says where there is no such name. */
  absent: readonly string[]
  valueOf(answer: unknown): unknown
}

const at = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined

const VAULTS: readonly Vault[] = [
  {
    service: 'secretsmanager',
    action: 'GetSecretValue',
    prefix: 'TUNEGATE_SECRETS_PREFIX',
    request: SecretId => ({ SecretId }),
    // The second of a secret that has been deleted, for as long as it could be restored.
    absent: ['ResourceNotFoundException', 'InvalidRequestException'],
    valueOf: answer => at(answer, 'SecretString'),
  },
  {
    service: 'ssm',
    action: 'GetParameter',
    prefix: 'TUNEGATE_SSM_PREFIX',
    request: Name => ({ Name, WithDecryption: true }),
    absent: ['ParameterNotFound'],
    valueOf: answer => at(at(answer, 'Parameter'), 'Value'),
  },
]

/** What either service allows in a name. */
const NAME = /^[A-Za-z0-9/_+=.@-]+$/

export const createAwsSecrets = (client: AwsClient, environment: Environment, clock: Clock): Secrets => {
  const known = new Map<string, { value: Promise<string | undefined>; until: number }>()

  const ask = async (vault: Vault, name: string): Promise<string | undefined> => {
    const prefix = environment.get(vault.prefix)
    if (prefix === undefined) return undefined
    try {
      const answer = await client.call(vault.service, vault.action, vault.request(prefix + name))
      const value = vault.valueOf(answer)
      return typeof value === 'string' && value !== '' ? value : undefined
    } catch (error) {
      if (error instanceof AwsError && vault.absent.includes(error.code)) return undefined
      throw error
    }
  }
  const lookUp = async (name: string): Promise<string | undefined> => {
    for (const vault of VAULTS) {
      const value = await ask(vault, name)
      if (value !== undefined) return value
    }
    return undefined
  }

  return {
    get(name) {
      if (!NAME.test(name)) return Promise.resolve(undefined)
      const found = known.get(name)
      if (found && found.until > clock.now()) return found.value
      if (known.size >= MOST_KNOWN) known.clear()
      const value = lookUp(name)
      known.set(name, { value, until: clock.now() + TTL_MS })
      // A failure is not remembered.
      value.catch(() => known.delete(name))
      return value
    },
  }
}
