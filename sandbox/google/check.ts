/** Strict bodies: zod's findings in the words of Google's JSON-to-proto parser. */
import type { Context } from 'hono'
import type * as z from 'zod'
import { GoogleError } from './errors.ts'

/**
 * The request's body as JSON; an empty body is an empty message.
 *
 * @throws {GoogleError} INVALID_ARGUMENT if it is no JSON
 */
export async function readBody(context: Context): Promise<unknown> {
  const text = await context.req.text()
  if (text === '') return {}
  try {
    return JSON.parse(text)
  } catch {
    throw new GoogleError('INVALID_ARGUMENT', 'Invalid JSON payload received. Unexpected token.')
  }
}

/**
 * Checks a message against a schema.
 *
 * @throws {GoogleError} INVALID_ARGUMENT with the first finding
 */
export function check<T extends z.ZodType>(schema: T, data: unknown): z.output<T> {
  const result = schema.safeParse(data, { reportInput: true })
  if (result.success) return result.data
  const [first] = result.error.issues
  const { field, description } = first ? findingOf(first, []) : { field: '', description: 'Invalid request.' }
  throw new GoogleError('INVALID_ARGUMENT', description, [
    { '@type': 'type.googleapis.com/google.rpc.BadRequest', fieldViolations: [{ field, description }] },
  ])
}

export interface Finding {
  field: string
  description: string
}

/** What an issue says, with the path as proto fields: `['toolConfig', 0, 'mode']` → `tool_config[0].mode`. */
export function findingOf(issue: z.core.$ZodIssue, parents: readonly PropertyKey[]): Finding {
  const path = [...parents, ...issue.path]
  const field = fieldOf(path)
  switch (issue.code) {
    case 'unrecognized_keys': {
      const [unknown = ''] = issue.keys
      const at = field === '' ? '' : ` at '${field}'`
      return {
        field: fieldOf([...path, unknown]),
        description: `Invalid JSON payload received. Unknown name "${unknown}"${at}: Cannot find field.`,
      }
    }
    case 'invalid_union': {
      const [branch] = issue.errors.flatMap(issues => issues.slice(0, 1)).toSorted(deepestFirst)
      return branch && branch.path.length > 0 ? findingOf(branch, path) : invalid(field, issue)
    }
    case 'invalid_type':
    case 'invalid_value':
      if (issue.input === undefined) return { field, description: `The ${field} field is required.` }
      return invalid(field, issue)
    case 'custom':
      return { field, description: issue.message }
    default:
      return { field, description: `Invalid value at '${field}': ${issue.message}` }
  }
}

const deepestFirst = (a: z.core.$ZodIssue, b: z.core.$ZodIssue): number => b.path.length - a.path.length

function invalid(field: string, issue: z.core.$ZodIssue): Finding {
  const type = issue.code === 'invalid_value' ? ' (TYPE_ENUM)' : ''
  return { field, description: `Invalid value at '${field}'${type}, ${JSON.stringify(issue.input) ?? ''}` }
}

function fieldOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((field, key) => {
    if (typeof key === 'number') return `${field}[${key}]`
    const name = String(key).replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
    return field === '' ? name : `${field}.${name}`
  }, '')
}
