/** Function declarations, and which of them an answer may, must or must not call. */
import * as z from 'zod'
import { isRecord } from '../../openai/jsonl.ts'
import { exampleOf } from '../../openai/synthesis.ts'
import type { Call } from './answers.ts'

const TYPES = ['STRING', 'NUMBER', 'INTEGER', 'BOOLEAN', 'ARRAY', 'OBJECT', 'NULL'] as const

/** The service's `Schema` message: a part of OpenAPI 3.0, and nothing beyond it. */
const schemaFields = {
  type: z
    .string()
    .transform(type => type.toUpperCase())
    .pipe(z.enum([...TYPES, 'TYPE_UNSPECIFIED']))
    .optional(),
  format: z.string().optional(),
  title: z.string().optional(),
  description: z.string().optional(),
  nullable: z.boolean().optional(),
  default: z.unknown().optional(),
  example: z.unknown().optional(),
  enum: z.array(z.string()).optional(),
  pattern: z.string().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  minItems: z.union([z.int(), z.string()]).optional(),
  maxItems: z.union([z.int(), z.string()]).optional(),
  minLength: z.union([z.int(), z.string()]).optional(),
  maxLength: z.union([z.int(), z.string()]).optional(),
  minProperties: z.union([z.int(), z.string()]).optional(),
  maxProperties: z.union([z.int(), z.string()]).optional(),
  required: z.array(z.string()).optional(),
  propertyOrdering: z.array(z.string()).optional(),
  ref: z.string().optional(),
  additionalProperties: z.unknown().optional(),
}

export const schema: z.ZodType<Record<string, unknown>> = z.strictObject({
  ...schemaFields,
  get items() {
    return schema.optional()
  },
  get properties() {
    return z.record(z.string(), schema).optional()
  },
  get anyOf() {
    return z.array(schema).optional()
  },
  get defs() {
    return z.record(z.string(), schema).optional()
  },
})

const jsonSchema = z.record(z.string(), z.unknown())

const functionDeclaration = z
  .strictObject({
    name: z.string().regex(/^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$/),
    description: z.string().optional(),
    parameters: schema.optional(),
    parametersJsonSchema: jsonSchema.optional(),
    response: schema.optional(),
    responseJsonSchema: jsonSchema.optional(),
  })
  .refine(each => !each.parameters || !each.parametersJsonSchema, {
    path: ['parametersJsonSchema'],
    message: 'parameters and parametersJsonSchema cannot be set together.',
  })

export type FunctionDeclaration = z.infer<typeof functionDeclaration>

export const tools = z.array(
  z.strictObject({ functionDeclarations: z.array(functionDeclaration).min(1).max(512) }),
)

export const toolConfig = z
  .strictObject({
    functionCallingConfig: z
      .strictObject({
        mode: z.enum(['MODE_UNSPECIFIED', 'AUTO', 'ANY', 'NONE', 'VALIDATED']).optional(),
        allowedFunctionNames: z.array(z.string()).optional(),
      })
      .superRefine(({ mode, allowedFunctionNames }, context) => {
        if (allowedFunctionNames?.length && mode !== 'ANY' && mode !== 'VALIDATED') {
          context.addIssue({
            code: 'custom',
            path: ['allowedFunctionNames'],
            message:
              'Unable to submit request because allowed_function_names is set while the function calling mode is not ANY.',
          })
        }
      })
      .optional(),
  })
  .optional()

export interface ToolPolicy {
  /** Those that may be called. */
  functions: FunctionDeclaration[]
  /** Whether one must be. */
  required: boolean
}

export function toolPolicy(
  offered: z.infer<typeof tools> | undefined,
  config: z.infer<typeof toolConfig>,
): ToolPolicy {
  const { mode = 'AUTO', allowedFunctionNames = [] } = config?.functionCallingConfig ?? {}
  const all = (offered ?? []).flatMap(({ functionDeclarations }) => functionDeclarations)
  if (mode === 'NONE') return { functions: [], required: false }
  const functions =
    allowedFunctionNames.length > 0 ? all.filter(({ name }) => allowedFunctionNames.includes(name)) : all
  return { functions, required: mode === 'ANY' }
}

/** A call with the least arguments that the declaration admits. */
export function synthesizedCall({ name, parameters, parametersJsonSchema }: FunctionDeclaration): Call {
  const args = exampleOf(parametersJsonSchema ?? asJsonSchema(parameters ?? {}))
  return { name, args: isRecord(args) ? args : {} }
}

/** JSON Schema writes the types small. */
export function asJsonSchema(value: Record<string, unknown>): Record<string, unknown> {
  const small = (each: unknown): unknown => {
    if (Array.isArray(each)) return each.map(small)
    return isRecord(each) ? asJsonSchema(each) : each
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [
      key,
      key === 'type' && typeof each === 'string' ? each.toLowerCase() : small(each),
    ]),
  )
}
