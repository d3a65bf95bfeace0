/**
 * A chat completion request → the body of Converse.
 * @see https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
 * @module
 */
import { ApiError } from '../../../openai/index.ts'
import type { ChatRequest, ProviderRequest, Settings } from '../../provider.ts'
import { resourceType } from '../arns.ts'
import { urlOf } from '../hosts.ts'
import { type Supported, type Tool, type ToolChoice, toSupported } from './fields.ts'
import { type Turn, toConversation } from './messages.ts'

const NO_PARAMETERS = { type: 'object', properties: {} }

const toolSpec = ({ function: { name, description, parameters, strict } }: Tool) => ({
  toolSpec: {
    name,
    inputSchema: { json: parameters ?? NO_PARAMETERS },
    ...(description && { description }),
    ...(strict != null && { strict }),
  },
})

const choiceOf = (choice: Exclude<ToolChoice, 'none'>) => {
  if (choice === 'auto') return { auto: {} }
  return choice === 'required' ? { any: {} } : { tool: { name: choice.function.name } }
}

const hasToolUse = (turns: readonly Turn[]) =>
  turns.some(({ content }) => content.some(block => 'toolUse' in block || 'toolResult' in block))

/**
 * Converse has no `none`: tools are left out, unless the conversation so far holds calls, which need them; then `none` has
 * been refused, or is told as dropped.
 */
const toolConfig = ({ tools, tool_choice: choice }: Supported, turns: readonly Turn[]) => {
  if (!tools || tools.length === 0 || (choice === 'none' && !hasToolUse(turns))) return {}
  return {
    toolConfig: {
      tools: tools.map(toolSpec),
      ...(choice != null && choice !== 'none' && { toolChoice: choiceOf(choice) }),
    },
  }
}

const outputConfig = ({ response_format: format, reasoning_effort: effort }: Supported) => {
  const config = {
    ...(format?.type === 'json_schema' && {
      textFormat: {
        type: 'json_schema',
        structure: {
          jsonSchema: {
            schema: JSON.stringify(format.json_schema.schema),
            name: format.json_schema.name,
            ...(format.json_schema.description && { description: format.json_schema.description }),
          },
        },
      },
    }),
    ...(effort != null && { effort }),
  }
  return Object.keys(config).length > 0 ? { outputConfig: config } : {}
}

const inferenceConfig = (fields: Supported) => {
  const maxTokens = fields.max_completion_tokens ?? fields.max_tokens
  const { stop, temperature, top_p: topP } = fields
  const stops = typeof stop === 'string' ? [stop] : (stop ?? [])
  const config = {
    ...(maxTokens != null && { maxTokens }),
    ...(temperature != null && { temperature }),
    ...(topP != null && { topP }),
    ...(stops.length > 0 && { stopSequences: stops }),
  }
  return Object.keys(config).length > 0 ? { inferenceConfig: config } : {}
}

/** Stands in AWS's logs of invocations. */
const requestMetadata = ({ user, metadata }: Supported) => {
  const pairs = { ...(user && { user }), ...metadata }
  return Object.keys(pairs).length > 0 ? { requestMetadata: pairs } : {}
}

/** @throws {ApiError} 400 with the field that cannot be said to Converse */
export const toBody = (body: Record<string, unknown>, dropParams: boolean) => {
  const { fields, dropped } = toSupported(body, dropParams)
  const { system, turns } = toConversation(fields.messages)
  return {
    dropped,
    body: {
      messages: turns,
      ...(system.length > 0 && { system }),
      ...inferenceConfig(fields),
      ...toolConfig(fields, turns),
      ...outputConfig(fields),
      ...requestMetadata(fields),
    },
  }
}

/** A tune itself does not answer: Bedrock would say that its identifier is invalid. */
const assertCallable = (model: string) => {
  if (resourceType(model) !== 'custom-model') return
  throw new ApiError({
    status: 400,
    code: 'model_not_available',
    param: 'model',
    message: `'${model}' is a tuned model that is not deployed: deploy its job, then call the deployment.`,
  })
}

/** @returns what is sent, and the names of the fields that are not in it */
export const toRequest = (
  settings: Settings,
  { body, dropParams }: ChatRequest,
): { outgoing: ProviderRequest; dropped: string[] } => {
  assertCallable(body.model)
  const operation = body.stream === true ? 'converse-stream' : 'converse'
  const { body: converse, dropped } = toBody(body, dropParams)
  const outgoing: ProviderRequest = {
    method: 'POST',
    url: urlOf(settings, 'runtime', ['model', body.model, operation]),
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(converse),
    // The official clients repeat a completion themselves; twice repeated is paid twice.
    repeat: 'never',
  }
  return { outgoing, dropped }
}
