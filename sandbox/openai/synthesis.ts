import { isRecord } from './jsonl.ts'

type Schema = Record<string, unknown>
/** Makes the example of a schema inside this one. */
type Inner = (schema: Schema) => unknown

const NOTHING: Record<string, (schema: Schema, inner: Inner) => unknown> = {
  string: ({ minLength }) => 'x'.repeat(typeof minLength === 'number' ? minLength : 0),
  number: leastNumber,
  integer: schema => Math.ceil(leastNumber(schema)),
  boolean: () => false,
  null: () => null,
  array: ({ items, minItems }, inner) =>
    Array.from({ length: typeof minItems === 'number' ? minItems : 0 }, () =>
      isRecord(items) ? inner(items) : null,
    ),
  object: ({ properties, required }, inner) => {
    const names = Array.isArray(required) ? required.filter(name => typeof name === 'string') : []
    const schemas = isRecord(properties) ? properties : {}
    return Object.fromEntries(
      names.map(name => {
        const property = schemas[name]
        return [name, isRecord(property) ? inner(property) : null]
      }),
    )
  },
}

function leastNumber({ minimum, exclusiveMinimum }: Schema): number {
  if (typeof exclusiveMinimum === 'number') return exclusiveMinimum + 1
  return typeof minimum === 'number' ? minimum : 0
}

/** How deep references may lead before a recursive schema is cut off with null. */
const DEEPEST = 8

/** The smallest value that a JSON schema admits, as far as the common keywords tell. */
export function exampleOf(schema: Schema, root: Schema = schema, depth = 0): unknown {
  if (depth > DEEPEST) return null
  const inner: Inner = other => exampleOf(other, root, depth + 1)
  if ('const' in schema) return schema.const
  if ('default' in schema) return schema.default
  if (Array.isArray(schema.enum)) return schema.enum[0]
  for (const keyword of ['anyOf', 'oneOf', 'allOf']) {
    const branches = schema[keyword]
    const first: unknown = Array.isArray(branches) ? branches[0] : undefined
    if (isRecord(first)) return inner(first)
  }
  if (typeof schema.$ref === 'string') return inner(resolve(schema.$ref, root))
  const type: unknown = Array.isArray(schema.type) ? schema.type[0] : schema.type
  const make = NOTHING[typeof type === 'string' ? type : 'object']
  return make ? make(schema, inner) : null
}

/** A reference inside the schema itself: `#/$defs/Name`. */
function resolve(reference: string, root: Schema): Schema {
  let target: unknown = root
  for (const key of reference.split('/').slice(1)) {
    target = isRecord(target) ? target[key] : undefined
  }
  return isRecord(target) ? target : {}
}
