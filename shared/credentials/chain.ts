/**
 * Where a credential comes from: request → configuration → environment variable → platform secret; the first hit wins,
 * field by field.
 * @module
 */

import type { ConfigValue } from '../config.ts'
import type { RequestCredential } from '../openai/index.ts'
import type { Environment, Secrets } from '../platform/index.ts'

export interface Sources {
  environment: Environment
  secrets: Secrets
}

/** A field of a connection: where it is looked up when neither request nor configuration has it. */
export interface FieldSpec {
  /** Name of the environment variable, and of the platform secret. */
  name: string
  /** The field of a request that may bring it, where the deployment lets requests bring credentials. */
  request?: RequestCredential
  /**
   * A `credential` proves who is calling; an `account` is what it may act on; a `place` says where. A request that brings a
   * credential of its own gets nothing of the deployment's but places.
   */
  kind: 'credential' | 'account' | 'place'
  /** What to use when no source has the field. */
  fallback?: string
}

const fromConfig = async (
  value: ConfigValue,
  { environment, secrets }: Sources,
): Promise<string | undefined> => {
  if (typeof value === 'string') return value
  return 'env' in value ? environment.get(value.env) : secrets.get(value.secret)
}

/** Resolves one field. */
export const resolveField = async (
  field: FieldSpec,
  requested: string | undefined,
  configured: ConfigValue | undefined,
  sources: Sources,
): Promise<string | undefined> =>
  requested ??
  (configured === undefined ? undefined : await fromConfig(configured, sources)) ??
  sources.environment.get(field.name) ??
  (await sources.secrets.get(field.name)) ??
  field.fallback
