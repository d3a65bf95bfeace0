/** The bodies of `:generateContent` and `:countTokens`: the service's fields, and no other. */
import * as z from 'zod'
import { type Content, content, conversationFault, roleOf, systemInstruction } from './content.ts'
import { schema, toolConfig, tools } from './tools.ts'
import type { ApiVersion } from './tuning-schema.ts'

const CONTROLLED = ['application/json', 'text/x.enum']

const generationConfig = z
  .strictObject({
    temperature: z.number().min(0).max(2).optional(),
    topP: z.number().min(0).max(1).optional(),
    topK: z.number().min(1).optional(),
    candidateCount: z.int().min(1).max(8).optional(),
    maxOutputTokens: z.int().min(1).optional(),
    stopSequences: z.array(z.string()).max(5).optional(),
    responseLogprobs: z.boolean().optional(),
    logprobs: z.int().min(1).max(20).optional(),
    presencePenalty: z.number().min(-2).lt(2).optional(),
    frequencyPenalty: z.number().min(-2).lt(2).optional(),
    seed: z.int32().optional(),
    responseMimeType: z.enum(['text/plain', ...CONTROLLED]).optional(),
    responseSchema: schema.optional(),
    responseJsonSchema: z.record(z.string(), z.unknown()).optional(),
    responseModalities: z.array(z.enum(['TEXT', 'IMAGE', 'AUDIO'])).optional(),
    mediaResolution: z.string().optional(),
    audioTimestamp: z.boolean().optional(),
    thinkingConfig: z
      .strictObject({
        includeThoughts: z.boolean().optional(),
        thinkingBudget: z.int().min(-1).optional(),
        thinkingLevel: z.enum(['THINKING_LEVEL_UNSPECIFIED', 'MINIMAL', 'LOW', 'MEDIUM', 'HIGH']).optional(),
      })
      .refine(each => each.thinkingBudget === undefined || each.thinkingLevel === undefined, {
        message: 'thinking_budget and thinking_level cannot be set together.',
      })
      .optional(),
  })
  .superRefine((value, context) => {
    const fail = (path: string, message: string): void =>
      context.addIssue({ code: 'custom', path: [path], message })
    if (value.logprobs !== undefined && !value.responseLogprobs) {
      fail('logprobs', 'logprobs is only allowed when response_logprobs is true.')
    }
    if (value.responseSchema && value.responseJsonSchema) {
      fail('responseJsonSchema', 'response_schema and response_json_schema cannot be set together.')
    }
    const shaped = value.responseSchema ?? value.responseJsonSchema
    if (shaped && !CONTROLLED.includes(value.responseMimeType ?? '')) {
      fail('responseMimeType', 'A response schema needs response_mime_type application/json.')
    }
  })

const contents = z
  .array(content)
  .min(1)
  .superRefine((list, context) => {
    const fault = conversationFault(list)
    if (fault) context.addIssue({ code: 'custom', path: [fault.index], message: fault.message })
    const last = list.at(-1)
    if (!fault && last && roleOf(last) === 'model') {
      context.addIssue({
        code: 'custom',
        message: 'Please ensure that multiturn requests end with a user role or a function response.',
      })
    }
  })

const conversation = {
  contents,
  systemInstruction: systemInstruction.optional(),
  tools: tools.optional(),
  generationConfig: generationConfig.optional(),
}

const labels = z.record(z.string(), z.string())

const generateRequest = z
  .strictObject({
    ...conversation,
    toolConfig,
    safetySettings: z
      .array(
        z.strictObject({
          category: z.string().startsWith('HARM_CATEGORY_'),
          threshold: z.string(),
          method: z.string().optional(),
        }),
      )
      .optional(),
    labels: labels.optional(),
  })
  .superRefine(({ tools: offered, toolConfig: config }, context) => {
    const names = (offered ?? []).flatMap(each => each.functionDeclarations.map(({ name }) => name))
    const { mode, allowedFunctionNames = [] } = config?.functionCallingConfig ?? {}
    const stranger = allowedFunctionNames.find(name => !names.includes(name))
    const path = ['toolConfig', 'functionCallingConfig']
    if (stranger !== undefined) {
      context.addIssue({
        code: 'custom',
        path: [...path, 'allowedFunctionNames'],
        message: `allowed_function_names names '${stranger}', which is not declared.`,
      })
    } else if (mode === 'ANY' && names.length === 0) {
      context.addIssue({
        code: 'custom',
        path: [...path, 'mode'],
        message: 'Function calling mode ANY needs function declarations.',
      })
    }
  })

const countRequest = z.strictObject({ ...conversation, model: z.string().optional() })

export type GenerateRequest = z.infer<typeof generateRequest>
export type CountRequest = z.infer<typeof countRequest>

/** v1 knows no ids of calls and responses. */
function withoutIds<T extends z.ZodType<{ contents: Content[] }>>(request: T) {
  return request.superRefine(({ contents: list }: { contents: Content[] }, context) => {
    for (const [index, { parts }] of list.entries()) {
      for (const [at, part] of parts.entries()) {
        for (const field of ['functionCall', 'functionResponse'] as const) {
          if (part[field]?.id === undefined) continue
          const path = ['contents', index, 'parts', at, field]
          context.addIssue({ code: 'unrecognized_keys', keys: ['id'], path, input: part[field] })
        }
      }
    }
  })
}

export const GENERATE_BODY: Record<ApiVersion, z.ZodType<GenerateRequest>> = {
  v1: withoutIds(generateRequest),
  v1beta1: generateRequest,
}

export const COUNT_BODY: Record<ApiVersion, z.ZodType<CountRequest>> = {
  v1: withoutIds(countRequest),
  v1beta1: countRequest,
}
