/** Rules that go over several messages, or over a request and the model it is for. */
import type { BaseModel } from '../bedrock/base-models.ts'
import { invalid } from '../errors.ts'
import { type ContentBlock, type ConverseRequest, toolSpecs } from './converse-schema.ts'

/** Says what is wrong, or nothing. */
type Rule = (request: ConverseRequest, base: BaseModel, streamed: boolean) => string | undefined

const usesOf = (content: readonly ContentBlock[]): string[] =>
  content.flatMap(({ toolUse }) => toolUse?.toolUseId ?? [])
const resultsOf = (content: readonly ContentBlock[]): string[] =>
  content.flatMap(({ toolResult }) => toolResult?.toolUseId ?? [])

const roles: Rule = ({ messages }, { converse }) => {
  if (messages[0]?.role !== 'user') {
    return 'A conversation must start with a user message. Try again with a conversation that starts with a user message.'
  }
  if (messages.some(({ role }, index) => role === messages[index - 1]?.role)) {
    return 'A conversation must alternate between user and assistant roles. Make sure the conversation alternates between user and assistant roles and try again.'
  }
  if (!converse.prefill && messages.at(-1)?.role === 'assistant') {
    return 'The model that you are using requires the last turn in the conversation to be a user message. Add a user message to the conversation and try again.'
  }
  return undefined
}

const contents: Rule = ({ messages }, base) => {
  for (const [index, { role, content }] of messages.entries()) {
    if (content.length === 0) {
      return `The content field in the Message object at messages.${index} is empty. Add a ContentBlock object to the content field and try again.`
    }
    for (const [position, block] of content.entries()) {
      const at = `messages.${index}.content.${position}`
      if (block.text?.trim() === '') {
        return `The text field in the ContentBlock object at ${at} is blank. Add text to the text field, and try again.`
      }
      if (block.image && !base.inputModalities.includes('IMAGE')) {
        return "This model doesn't support the image content block that you provided. Specify a text content block and try again."
      }
      if (block.video && !base.inputModalities.includes('VIDEO')) {
        return "This model doesn't support the video content block that you provided. Specify a text content block and try again."
      }
      if (block.toolUse && role !== 'assistant')
        return `A toolUse block is only allowed from the assistant: ${at}.`
      if (block.toolResult && role !== 'user')
        return `A toolResult block is only allowed from the user: ${at}.`
    }
  }
  return undefined
}

/** Every call is answered in the very next message, and nothing else is. */
const toolResults: Rule = ({ messages }) => {
  for (const [index, { role, content }] of messages.entries()) {
    if (role !== 'user') continue
    const calls = usesOf(messages[index - 1]?.content ?? [])
    const results = resultsOf(content)
    const unanswered = calls.filter(id => !results.includes(id))
    if (unanswered.length > 0) {
      return `Expected toolResult blocks at messages.${index}.content for the following Ids: ${unanswered.join(', ')}`
    }
    if (results.length > calls.length || results.some(id => !calls.includes(id))) {
      return `The number of toolResult blocks at messages.${index}.content exceeds the number of toolUse blocks of previous turn.`
    }
  }
  return undefined
}

const tools: Rule = (request, { converse }, streamed) => {
  const { messages, toolConfig } = request
  const used = messages.some(({ content }) => usesOf(content).length + resultsOf(content).length > 0)
  if (!toolConfig) {
    return used
      ? 'The toolConfig field must be defined when using toolUse and toolResult content blocks.'
      : undefined
  }
  if (!converse.tools) return "This model doesn't support tool use."
  const names = toolSpecs(request).map(({ name }) => name)
  if (new Set(names).size < names.length) return 'The tools in toolConfig must have unique names.'
  const [choice] = Object.keys(toolConfig.toolChoice ?? { auto: {} })
  if (!converse.toolChoices.some(allowed => allowed === choice)) {
    return `This model doesn't support the toolConfig.toolChoice.${choice} field. Remove toolConfig.toolChoice.${choice} and try again.`
  }
  const wanted = toolConfig.toolChoice?.tool?.name
  if (wanted !== undefined && !names.includes(wanted)) {
    return `The tool ${wanted} of toolConfig.toolChoice is not in toolConfig.tools.`
  }
  if (streamed && !converse.toolsInStreams) return "This model doesn't support tool use in streaming mode."
  return undefined
}

const features: Rule = ({ system, guardrailConfig, promptVariables }, { converse }) => {
  if (system?.length && !converse.system)
    return "This model doesn't support the system field. Remove it and try again."
  if (guardrailConfig) return 'The guardrail identifier or version provided in the request does not exist.'
  if (promptVariables) return 'promptVariables are only allowed with a prompt of Prompt management.'
  return undefined
}

const RULES: readonly Rule[] = [roles, contents, tools, toolResults, features]

/** @throws {AwsError} ValidationException with the first thing that is wrong */
export function checkConversation(request: ConverseRequest, base: BaseModel, streamed: boolean): void {
  for (const rule of RULES) {
    const fault = rule(request, base, streamed)
    if (fault !== undefined) throw invalid(fault)
  }
}
