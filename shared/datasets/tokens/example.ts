/**
 * The tokens of one training example: its texts, its images, and what frames them.
 * @module
 */
import {
  type ChatExample,
  type ContentPart,
  type Example,
  isPreference,
  type Message,
} from '../formats/format.ts'
import { imageTokens } from './images.ts'
import type { TokenCounter } from './index.ts'

/**
 * What frames a message, and a name, and an example. OpenAI does not publish how it frames training examples: this is the rule of its
 * cookbook for chat models since 2023.
 * @see https://github.com/openai/openai-cookbook/blob/main/examples/Chat_finetuning_data_prep.ipynb
 */
const PER_MESSAGE = 3
const PER_NAME = 1
export const PER_EXAMPLE = 3

export interface ExampleTokens {
  tokens: number
  images: number
  /** Images whose tokens are a guess, as their size is not known. */
  guessed: number
}

type Count = TokenCounter['count']

const partsOf = ({ content }: Message): ContentPart[] => (Array.isArray(content) ? content : [])
const isImage = ({ type }: ContentPart) => type === 'image_url'

const contentTokens = (count: Count, { content }: Message): number =>
  typeof content === 'string'
    ? count(content)
    : (content ?? []).reduce((sum, part) => sum + (isImage(part) ? 0 : count(part.text ?? '')), 0)

const messageTokens = (count: Count, message: Message): number =>
  PER_MESSAGE +
  count(message.role) +
  contentTokens(count, message) +
  (message.name == null ? 0 : count(message.name) + PER_NAME) +
  (message.refusal == null ? 0 : count(message.refusal)) +
  (message.function_call === undefined ? 0 : count(JSON.stringify(message.function_call))) +
  (message.tool_calls ?? []).reduce(
    (sum, call) => sum + PER_MESSAGE + count(call.function.name) + count(call.function.arguments),
    0,
  )

/** Tools are put before the model in a form that is not published; their JSON is about as long. */
const toolsTokens = (count: Count, { tools, functions }: ChatExample): number =>
  (tools?.length ? count(JSON.stringify(tools)) : 0) + (functions ? count(JSON.stringify(functions)) : 0)

/**
 * All tokens of an example that has been found valid: what is trained for an epoch, whatever share of it carries loss. A
 * preference is its conversation and both answers.
 */
export const exampleTokens = ({ count, images: rule }: TokenCounter, example: Example): ExampleTokens => {
  const chat = isPreference(example) ? example.input : example
  const answers = isPreference(example) ? [...example.preferred_output, ...example.non_preferred_output] : []
  const found = { tokens: PER_EXAMPLE + toolsTokens(count, chat), images: 0, guessed: 0 }
  for (const message of [...chat.messages, ...answers]) {
    found.tokens += messageTokens(count, message)
    for (const part of partsOf(message).filter(isImage)) {
      const { tokens, isGuess } = imageTokens(rule, part)
      found.tokens += tokens
      found.images++
      if (isGuess) found.guessed++
    }
  }
  return found
}
