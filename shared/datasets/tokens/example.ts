/**
 * The tokens of one training example: its texts, and what frames them.
 * @module
 */
import { type ChatExample, type Example, isPreference, type Message } from '../formats/format.ts'
import type { TokenCounter } from './index.ts'

/**
 * What frames a message, and a name, and an example. OpenAI does not publish how it frames training examples: this is the rule of its
 * cookbook for chat models since 2023.
 * @see https://github.com/openai/openai-cookbook/blob/main/examples/Chat_finetuning_data_prep.ipynb
 */
const PER_MESSAGE = 3
const PER_NAME = 1
export const PER_EXAMPLE = 3

/**
 * An image in high detail, as gpt-4o sees one of 1024 × 1024: 85 tokens and 170 for each of four tiles. It is not looked at: what it
 * really costs is from 85 to 1,445.
 * @see https://platform.openai.com/docs/guides/images-vision#calculating-costs
 */
const PER_IMAGE = 765

type Count = TokenCounter['count']

const contentTokens = (count: Count, content: Message['content']): number => {
  if (typeof content === 'string') return count(content)
  return (content ?? []).reduce(
    (sum, part) => sum + (part.type === 'image_url' ? PER_IMAGE : count(part.text ?? '')),
    0,
  )
}

const messageTokens = (count: Count, message: Message): number =>
  PER_MESSAGE +
  count(message.role) +
  contentTokens(count, message.content) +
  (message.name === undefined ? 0 : count(message.name) + PER_NAME) +
  (message.refusal == null ? 0 : count(message.refusal)) +
  (message.function_call === undefined ? 0 : count(JSON.stringify(message.function_call))) +
  (message.tool_calls ?? []).reduce(
    (sum, call) => sum + PER_MESSAGE + count(call.function.name) + count(call.function.arguments),
    0,
  )

const messagesTokens = (count: Count, messages: Message[]): number =>
  messages.reduce((sum, message) => sum + messageTokens(count, message), 0)

/** Tools are put before the model in a form that is not published; their JSON is about as long. */
const toolsTokens = (count: Count, { tools, functions }: ChatExample): number =>
  (tools?.length ? count(JSON.stringify(tools)) : 0) + (functions ? count(JSON.stringify(functions)) : 0)

/**
 * All tokens of an example that has been found valid: what is trained for an epoch, whatever share of it carries loss. A
 * preference is its conversation and both answers.
 */
export const exampleTokens = ({ count }: TokenCounter, example: Example): number => {
  const chat = isPreference(example) ? example.input : example
  const answers = isPreference(example) ? [...example.preferred_output, ...example.non_preferred_output] : []
  return (
    PER_EXAMPLE +
    toolsTokens(count, chat) +
    messagesTokens(count, chat.messages) +
    messagesTokens(count, answers)
  )
}

const imagesOf = (message: Message): number =>
  Array.isArray(message.content) ? message.content.filter(({ type }) => type === 'image_url').length : 0

/** Images in an example, whose tokens are only a guess. */
export const exampleImages = (example: Example): number =>
  (isPreference(example) ? example.input : example).messages.reduce((sum, each) => sum + imagesOf(each), 0)
