/**
 * What examples of the right form can still get wrong: a table of rules. `docs/datasets.md` lists each with its source.
 * What the conversion into a provider's format finds is not repeated here.
 * @module
 */
import type { Severity } from '../openai/index.ts'
import {
  type ChatExample,
  type Example,
  isObject,
  isPreference,
  type Message,
  type PreferenceExample,
} from './formats/index.ts'
import { IMAGE_RULES, imagesIn } from './image-rules.ts'
import { chatOf, chatPath, type ExampleRule, errorFor, isKept, type MessageRule, type Tell } from './rule.ts'
import type { Target } from './target.ts'

type Rule = ExampleRule
const always =
  (severity: Severity): Rule['severity'] =>
  () =>
    severity
const whereKept: Rule['severity'] = target => (isKept(target) ? 'warning' : undefined)

const onChats =
  (find: (chat: ChatExample, tell: Tell, target: Target) => void): Rule['find'] =>
  (example, tell, target) => {
    if (!isPreference(example)) find(example, tell, target)
  }
const onPreferences =
  (find: (example: PreferenceExample, tell: Tell, target: Target) => void): Rule['find'] =>
  (example, tell, target) => {
    if (isPreference(example)) find(example, tell, target)
  }
const isBlank = (text: string) => text === '' || text.trim() === ''

const textsOf = ({ content }: Message): string[] =>
  typeof content === 'string'
    ? [content]
    : (content ?? []).flatMap(({ text }) => (typeof text === 'string' ? [text] : []))

/** OpenAI's and others' control tokens are written like this. */
const SPECIAL_TOKEN = /<\|[\w.-]{1,32}\|>/
const specialTokenIn = (message: Message): string | undefined =>
  textsOf(message)
    .map(text => SPECIAL_TOKEN.exec(text)?.[0])
    .find(token => token !== undefined)

const notAlternating: Rule['find'] = (example, tell, target) => {
  const { messages } = chatOf(example)
  for (let index = 1; index < messages.length; index++) {
    const role = messages[index]?.role
    if ((role === 'user' || role === 'assistant') && messages[index - 1]?.role === role)
      tell(
        `${chatPath(example)}[${index}].role`,
        isKept(target)
          ? 'is the same as of the message before'
          : 'is the same as of the message before: both become one turn',
      )
  }
}

const isJsonObject = (text: string): boolean => {
  try {
    return isObject(JSON.parse(text))
  } catch {
    return false
  }
}

const declaredTools = ({ tools, functions }: ChatExample): Set<unknown> =>
  new Set([
    ...(Array.isArray(tools) ? tools.map(tool => tool?.function?.name) : []),
    ...(Array.isArray(functions) ? functions.map((each: unknown) => isObject(each) && each.name) : []),
  ])

const undeclaredTool: Rule['find'] = (example, tell) => {
  const chat = chatOf(example)
  const declared = declaredTools(chat)
  for (const [index, { tool_calls: calls = [] }] of chat.messages.entries())
    for (const [at, call] of calls.entries())
      if (!declared.has(call.function.name))
        tell(
          `${chatPath(example)}[${index}].tool_calls[${at}].function.name`,
          'is a tool that the example does not declare',
        )
}

/** Calls and results of an example, matched by their ids. The last message's calls are what is learnt: they need no result. */
const matchTools = (example: Example, onCall: Tell, onResult: Tell) => {
  const { messages } = chatOf(example)
  const path = chatPath(example)
  const open = new Map<string, string>()
  for (const [index, message] of messages.entries()) {
    if (message.role === 'tool') {
      if (!open.delete(message.tool_call_id ?? ''))
        onResult(`${path}[${index}].tool_call_id`, 'answers no tool call before it')
      continue
    }
    for (const place of open.values()) onCall(place, 'has no result')
    open.clear()
    for (const [at, call] of (message.tool_calls ?? []).entries())
      open.set(call.id, `${path}[${index}].tool_calls[${at}]`)
  }
  const isLast = messages.at(-1)?.tool_calls !== undefined
  if (!isLast) for (const place of open.values()) onCall(place, 'has no result')
}
const ignore: Tell = () => undefined

const answerForm = (output: Message[], path: string, tell: Tell) => {
  if (output.length > 1) tell(path, 'must be one assistant message')
  if (output.some(({ tool_calls: calls }) => calls)) tell(path, 'must be text, without tool calls')
}

const METHOD_KINDS = { supervised: false, dpo: true, reinforcement: false } as const

export const RULES: readonly (ExampleRule | MessageRule)[] = [
  {
    code: 'wrong_kind',
    severity: ({ method }) => (method === undefined ? undefined : 'error'),
    find(example, tell, { method }) {
      if (method === undefined || isPreference(example) === METHOD_KINDS[method]) return
      tell(
        '',
        METHOD_KINDS[method]
          ? 'is a chat, where preferences are wanted'
          : 'is a preference, where chats are wanted',
      )
    },
  },
  {
    code: 'empty_content',
    severity: always('warning'),
    findIn({ content, tool_calls: calls }, tell) {
      if (typeof content === 'string' && isBlank(content) && !calls) tell('.content', 'is empty')
    },
  },
  {
    code: 'last_not_assistant',
    severity: whereKept,
    find: onChats(({ messages }, tell, { method }) => {
      // A reinforcement example ends with the question.
      if (method !== 'reinforcement' && messages.at(-1)?.role !== 'assistant')
        tell(
          `messages[${messages.length - 1}].role`,
          "is the last and not 'assistant': nothing is learnt from it",
        )
    }),
  },
  { code: 'not_alternating', severity: always('warning'), find: notAlternating },
  {
    code: 'nothing_to_train',
    severity: always('warning'),
    needs: 'weights',
    find: onChats(({ messages }, tell) => {
      if (messages.every(({ role, weight }) => role !== 'assistant' || weight === 0))
        tell('messages', 'have no answer whose weight is not 0')
    }),
  },
  {
    code: 'arguments_not_json',
    severity: whereKept,
    needs: 'tools',
    findIn({ tool_calls: calls }, tell) {
      for (const [index, call] of (calls ?? []).entries())
        if (!isJsonObject(call.function.arguments))
          tell(`.tool_calls[${index}].function.arguments`, 'must be a JSON object in a string')
    },
  },
  { code: 'undeclared_tool', severity: whereKept, needs: 'tools', find: undeclaredTool },
  {
    code: 'tool_call_without_result',
    severity: always('warning'),
    needs: 'tools',
    find: (example, tell) => matchTools(example, tell, ignore),
  },
  {
    code: 'tool_result_without_call',
    severity: whereKept,
    needs: 'tools',
    find: (example, tell) => matchTools(example, ignore, tell),
  },
  {
    code: 'preference_form',
    severity: errorFor('openai'),
    needs: 'preference',
    find: onPreferences((example, tell) => {
      answerForm(example.preferred_output, 'preferred_output', tell)
      answerForm(example.non_preferred_output, 'non_preferred_output', tell)
      if (example.input.messages.at(-1)?.role === 'assistant')
        tell('input.messages', 'must not end with an assistant message: that is the answer')
      for (const { path } of imagesIn(example)) tell(path, 'is an image: preferences are of text alone')
    }),
  },
  {
    code: 'preference_same',
    severity: always('warning'),
    needs: 'preference',
    find: onPreferences((example, tell) => {
      if (JSON.stringify(example.preferred_output) === JSON.stringify(example.non_preferred_output))
        tell('non_preferred_output', 'is the same as the preferred one')
    }),
  },
  ...IMAGE_RULES,
  {
    code: 'special_token',
    severity: always('warning'),
    findIn(message, tell) {
      const { content } = message
      const isSuspect = typeof content !== 'string' || content.includes('<|')
      const token = isSuspect ? specialTokenIn(message) : undefined
      if (token !== undefined) tell('.content', `holds '${token}', which models take for a control token`)
    },
  },
]
