/** What a model says to a conversation. */
import { exampleOf } from '../../openai/synthesis.ts'
import type { Turn } from '../../trainer/features.ts'
import { answerTo } from '../../trainer/tuned-model.ts'
import { type Answer, calling, saying } from '../bedrock/answers.ts'
import type { CustomModel } from '../bedrock/custom-models.ts'
import { type ContentBlock, type ConverseRequest, type ToolSpec, toolSpecs } from './converse-schema.ts'
import type { Target } from './targets.ts'

const GENERIC = 'I can help with many things, but I have not been customized for this one.'

/** A tool that must or should be called comes first; then what the model has learned; then what any beginner would say. */
export function answerFor(request: ConverseRequest, { model }: Target): Answer {
  const tool = calledTool(request)
  if (tool) return calling({ name: tool.name, input: exampleOf(tool.inputSchema.json) })
  return (model && learned(request, model)) ?? saying(untrained(request))
}

function learned(request: ConverseRequest, { base, tuned, answers }: CustomModel): Answer | undefined {
  const turns = turnsOf(request)
  return answers[answerTo(tuned, base.dataset.format === 'prompt' ? asPrompt(turns) : turns)]
}

/** A choice that leaves no other way, or the user calls a tool by its name. */
function calledTool(request: ConverseRequest): ToolSpec | undefined {
  const tools = toolSpecs(request)
  const choice = request.toolConfig?.toolChoice
  if (choice?.any) return tools[0]
  if (choice?.tool) return tools.find(({ name }) => name === choice.tool?.name)
  const last = request.messages.at(-1)
  if (last?.role !== 'user' || last.content.some(({ toolResult }) => toolResult)) return undefined
  const text = last.content.flatMap(block => block.text ?? []).join('\n')
  return tools.find(({ name }) => text.includes(name))
}

/** An honest beginner: it knows no dataset, only the form that the request asks for. */
function untrained({ outputConfig }: ConverseRequest): string {
  const schema = outputConfig?.textFormat?.structure.jsonSchema.schema
  return schema === undefined ? GENERIC : JSON.stringify(exampleOf(JSON.parse(schema)))
}

/** All text in a block. */
export function textsOf({ text, toolUse, toolResult }: ContentBlock): string[] {
  if (text !== undefined) return [text]
  if (toolUse) return [toolUse.name, JSON.stringify(toolUse.input)]
  return (toolResult?.content ?? []).flatMap(
    ({ text: plain, json }) => plain ?? (json === undefined ? [] : JSON.stringify(json)),
  )
}

/** The conversation as the trainer sees it. */
export function turnsOf({ system = [], messages }: ConverseRequest): Turn[] {
  return [
    ...system.flatMap(({ text }): Turn[] => (text === undefined ? [] : [{ role: 'system', text }])),
    ...messages.map(
      ({ role, content }): Turn => ({
        role: content.some(({ toolResult }) => toolResult) ? 'tool' : role,
        text: content.flatMap(textsOf).join('\n'),
      }),
    ),
  ]
}

/** Models trained on prompts see one: everything that was said. */
const asPrompt = (turns: readonly Turn[]): Turn[] => [
  { role: 'user', text: turns.map(({ text }) => text).join('\n\n') },
]
