/** Conversations as Gemini takes them, in requests and in training data. */
import * as z from 'zod'
import type { Turn } from '../../trainer/features.ts'

const bytes = z.string().regex(/^[A-Za-z0-9+/_-]*={0,2}$/)
const record = z.record(z.string(), z.unknown())

export const functionCall = z.strictObject({
  /** Only v1beta1 knows it. */
  id: z.string().optional(),
  name: z.string().min(1),
  args: record.optional(),
})

export const functionResponse = z.strictObject({
  /** Only v1beta1 knows it. */
  id: z.string().optional(),
  name: z.string().min(1),
  response: record,
})

const dataFields = {
  text: z.string().optional(),
  inlineData: z
    .strictObject({ mimeType: z.string(), data: bytes, displayName: z.string().optional() })
    .optional(),
  fileData: z
    .strictObject({ mimeType: z.string(), fileUri: z.string(), displayName: z.string().optional() })
    .optional(),
  functionCall: functionCall.optional(),
  functionResponse: functionResponse.optional(),
}

const DATA = Object.keys(dataFields)

export const part = z
  .strictObject({ ...dataFields, thought: z.boolean().optional(), thoughtSignature: bytes.optional() })
  .superRefine((value, context) => {
    const given = DATA.filter(name => name in value)
    if (given.length === 1) return
    const message =
      given.length === 0
        ? "Unable to submit request because it must have one initialized 'data' field in each part."
        : `Invalid value: oneof field 'data' is already set. Cannot set '${given[1] ?? ''}'.`
    context.addIssue({ code: 'custom', message })
  })

export type Part = z.infer<typeof part>

const parts = z.array(part).min(1)

export const content = z.strictObject({ role: z.enum(['user', 'model']).optional(), parts })

/** Its role, if any, means nothing. */
export const systemInstruction = z.strictObject({ role: z.string().optional(), parts })

export type Content = z.infer<typeof content>

export const roleOf = ({ role }: Content): 'user' | 'model' => role ?? 'user'

/** Where a list of contents breaks the rules that go over several of them, if it does. */
export function conversationFault(
  contents: readonly Content[],
): { index: number; message: string } | undefined {
  for (const [index, each] of contents.entries()) {
    const before = contents[index - 1]
    if (before ? roleOf(before) === roleOf(each) : roleOf(each) !== 'user') {
      return {
        index,
        message:
          'Please ensure that multiturn requests alternate between user and model, and begin with user.',
      }
    }
    const calls = before?.parts.flatMap(({ functionCall: call }) => call?.name ?? []) ?? []
    const responses = each.parts.flatMap(({ functionResponse: response }) => response?.name ?? [])
    if (roleOf(each) === 'user' && calls.length !== responses.length) {
      return {
        index,
        message:
          'Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.',
      }
    }
    const stranger = responses.find(name => !calls.includes(name))
    if (stranger !== undefined) {
      return { index, message: `There is a function response for '${stranger}', which was not called.` }
    }
    if (roleOf(each) === 'user' && each.parts.some(({ functionCall: call }) => call)) {
      return { index, message: 'A function call can only come from the model.' }
    }
    if (roleOf(each) === 'model' && responses.length > 0) {
      return { index, message: 'A function response can only come from the user.' }
    }
  }
  return undefined
}

/** All text in a content, piece by piece. */
export function textsOf({ parts: list }: Pick<Content, 'parts'>): string[] {
  return list.flatMap(({ text, functionCall: call, functionResponse: response, thought }) => {
    if (thought) return []
    if (text !== undefined) return [text]
    if (call) return [call.name, JSON.stringify(call.args ?? {})]
    return response ? [response.name, JSON.stringify(response.response)] : []
  })
}

/** The conversation as the trainer sees it. */
export function turnsOf(system: Pick<Content, 'parts'> | undefined, contents: readonly Content[]): Turn[] {
  const turns = contents.map((each): Turn => ({ role: trainerRole(each), text: textsOf(each).join('\n') }))
  return system ? [{ role: 'system', text: textsOf(system).join('\n') }, ...turns] : turns
}

function trainerRole(each: Content): Turn['role'] {
  if (roleOf(each) === 'model') return 'assistant'
  return each.parts.some(({ functionResponse: response }) => response) ? 'tool' : 'user'
}
