/** The body of `converse` and `converse-stream`: every field that the API has, and no other. */
import * as z from 'zod'

const object = z.record(z.string(), z.unknown())

/** A union as AWS writes it: an object with exactly one of the members. */
function oneOf<Shape extends z.ZodRawShape>(members: Shape) {
  const names = Object.keys(members).join(', ')
  return z
    .strictObject(members)
    .partial()
    .refine(value => Object.keys(value).length === 1, { error: `Member must have exactly one of: ${names}` })
}

const source = oneOf({
  bytes: z.base64(),
  s3Location: z.strictObject({ uri: z.string(), bucketOwner: z.string().optional() }),
})
const image = z.strictObject({ format: z.enum(['png', 'jpeg', 'gif', 'webp']), source })
const video = z.strictObject({
  format: z.enum(['mkv', 'mov', 'mp4', 'webm', 'flv', 'mpeg', 'mpg', 'wmv', 'three_gp']),
  source,
})
const document = z.strictObject({
  format: z.enum(['pdf', 'csv', 'doc', 'docx', 'xls', 'xlsx', 'html', 'txt', 'md']).optional(),
  name: z.string().min(1).max(200),
  source: oneOf({
    ...source.shape,
    text: z.string(),
    content: z.array(z.strictObject({ text: z.string() })),
  }),
  context: z.string().optional(),
  citations: object.optional(),
})
const cachePoint = z.strictObject({ type: z.literal('default'), ttl: z.string().optional() })
const toolUseId = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/)
const toolName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/)

const toolUse = z.strictObject({ toolUseId, name: toolName, input: z.json() })
const toolResult = z.strictObject({
  toolUseId,
  content: z.array(oneOf({ text: z.string(), json: z.json(), image, document, video })),
  status: z.enum(['success', 'error']).optional(),
})
const reasoningContent = oneOf({
  reasoningText: z.strictObject({ text: z.string(), signature: z.string().optional() }),
  redactedContent: z.base64(),
})

const contentBlock = oneOf({
  text: z.string(),
  image,
  document,
  video,
  toolUse,
  toolResult,
  guardContent: object,
  cachePoint,
  reasoningContent,
})

const message = z.strictObject({ role: z.enum(['user', 'assistant']), content: z.array(contentBlock) })

const tool = oneOf({
  toolSpec: z.strictObject({
    name: toolName,
    description: z.string().min(1).optional(),
    inputSchema: z.strictObject({ json: object }),
    strict: z.boolean().optional(),
  }),
  systemTool: z.strictObject({ name: toolName }),
  cachePoint,
})

const outputConfig = z.strictObject({
  textFormat: z
    .strictObject({
      type: z.enum(['json_schema']),
      structure: z.strictObject({
        jsonSchema: z.strictObject({
          schema: z
            .string()
            .refine(isObjectText, { error: 'Member must be a JSON object, written as a string' }),
          name: z.string().optional(),
          description: z.string().optional(),
        }),
      }),
    })
    .optional(),
  effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).optional(),
})

function isObjectText(text: string): boolean {
  try {
    return object.safeParse(JSON.parse(text)).success
  } catch {
    return false
  }
}

export const converseRequest = z.strictObject({
  messages: z.array(message).min(1),
  system: z.array(oneOf({ text: z.string().min(1), guardContent: object, cachePoint })).optional(),
  inferenceConfig: z
    .strictObject({
      maxTokens: z.int().min(1).optional(),
      temperature: z.number().min(0).max(1).optional(),
      topP: z.number().min(0).max(1).optional(),
      stopSequences: z.array(z.string().min(1)).max(2500).optional(),
    })
    .optional(),
  toolConfig: z
    .strictObject({
      tools: z.array(tool).min(1),
      toolChoice: oneOf({
        auto: z.strictObject({}),
        any: z.strictObject({}),
        tool: z.strictObject({ name: toolName }),
      }).optional(),
    })
    .optional(),
  guardrailConfig: z
    .strictObject({
      guardrailIdentifier: z.string(),
      guardrailVersion: z.string(),
      trace: z.enum(['enabled', 'disabled', 'enabled_full']).optional(),
      streamProcessingMode: z.enum(['sync', 'async']).optional(),
    })
    .optional(),
  additionalModelRequestFields: object.optional(),
  additionalModelResponseFieldPaths: z.array(z.string().min(1).max(256)).max(10).optional(),
  promptVariables: object.optional(),
  requestMetadata: z.record(z.string().min(1).max(256), z.string().max(256)).optional(),
  performanceConfig: z.strictObject({ latency: z.enum(['standard', 'optimized']).optional() }).optional(),
  serviceTier: z.strictObject({ type: z.enum(['priority', 'default', 'flex', 'reserved']) }).optional(),
  outputConfig: outputConfig.optional(),
})

export type ConverseRequest = z.infer<typeof converseRequest>
export type ContentBlock = z.infer<typeof contentBlock>
export type ToolSpec = NonNullable<z.infer<typeof tool>['toolSpec']>

export const toolSpecs = ({ toolConfig }: ConverseRequest): ToolSpec[] =>
  (toolConfig?.tools ?? []).flatMap(each => each.toolSpec ?? [])
