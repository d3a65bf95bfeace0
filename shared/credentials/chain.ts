/**
 * Where a credential comes from: request → configuration → environment variable → platform secret; the first hit wins,
 * field by field.
 * @module
 */
import type { ConfigValue } from '../config.ts'
import type { Environment, Secrets } from '../platform/index.ts'

export interface Sources {
  environment: Environment
  secrets: Secrets
}

/** A field of a connection: where it is looked up when neither request nor configuration has it. */
export interface FieldSpec {
  /** Name of the environment variable, and of the platform secret. */
  name: string
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
