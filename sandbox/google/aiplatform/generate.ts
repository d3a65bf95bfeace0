/** From a request to what a model says: learned or not, cut off where the request says so, and counted. */
import { newId } from '../../ids.ts'
import { exampleOf } from '../../openai/synthesis.ts'
import { countTokens, tokenize } from '../../openai/tokens.ts'
import { answerTo } from '../../trainer/tuned-model.ts'
import { timestamp } from '../wire.ts'
import { type Answer, type Call, saying } from './answers.ts'
import { roleOf, textsOf, turnsOf } from './content.ts'
import { tokensOf } from './dataset.ts'
import type { CountRequest, GenerateRequest } from './generate-schema.ts'
import type { BaseModel, Weights } from './models.ts'
import { checkSignatures, signatureFor } from './signatures.ts'
import { asJsonSchema, synthesizedCall, type ToolPolicy, toolPolicy } from './tools.ts'

const GENERIC = 'I can help with many things, but I have not been tuned for this one.'

export interface Speaker {
  base: BaseModel
  /** Absent in a base model. */
  weights: Weights | undefined
}

/** One part of an answer on the wire. */
export type WirePart =
  | { text: string }
  | { functionCall: { name: string; args: Record<string, unknown> }; thoughtSignature?: string }

export interface Candidate {
  /** Text in pieces, as it is streamed. */
  pieces: WirePart[]
  finishReason: 'STOP' | 'MAX_TOKENS'
  tokens: number
}

export interface Generation {
  responseId: string
  createTime: string
  modelVersion: string
  candidates: Candidate[]
  promptTokens: number
}

/** @throws {GoogleError} INVALID_ARGUMENT for a call without its thought signature */
export function generate(request: GenerateRequest, { base, weights }: Speaker): Generation {
  if (base.signsThoughts) checkSignatures(request.contents)
  const policy = toolPolicy(request.tools, request.toolConfig)
  const answer = (weights && learned(request, weights, policy)) ?? untrained(request, policy)
  const count = request.generationConfig?.candidateCount ?? 1
  return {
    responseId: newId('', 22),
    createTime: timestamp(new Date()),
    modelVersion: base.id,
    candidates: Array.from({ length: count }, () => draw(answer, request, base)),
    promptTokens: promptTokens(request),
  }
}

export function promptTokens({ contents, systemInstruction, tools }: CountRequest): number {
  const declared = tools ? countTokens(JSON.stringify(tools)) : 0
  return declared + tokensOf(systemInstruction ? [systemInstruction, ...contents] : contents)
}

function learned(
  { contents, systemInstruction }: GenerateRequest,
  { tuned, answers }: Weights,
  policy: ToolPolicy,
): Answer | undefined {
  const callable = new Set(policy.functions.map(({ name }) => name))
  const allowed = (column: number): boolean => {
    const calls = answers[column]?.calls ?? []
    return calls.length === 0 ? !policy.required : calls.every(({ name }) => callable.has(name))
  }
  return answers[answerTo(tuned, turnsOf(systemInstruction, contents), allowed)]
}

/** An honest beginner: it knows no dataset, only the form that the request asks for. */
function untrained(
  { contents, generationConfig: config }: GenerateRequest,
  { functions, required }: ToolPolicy,
): Answer {
  const last = contents.at(-1)
  const answering = last?.parts.some(({ functionResponse }) => functionResponse) ?? false
  const question = contents.findLast(each => roleOf(each) === 'user')
  const text = question && !answering ? textsOf(question).join('\n') : ''
  const called = required ? functions[0] : functions.find(({ name }) => text.includes(name))
  if (called) return { text: '', calls: [synthesizedCall(called)] }
  const shape = config?.responseJsonSchema ?? (config?.responseSchema && asJsonSchema(config.responseSchema))
  if (shape) return saying(JSON.stringify(exampleOf(shape)))
  return saying(config?.responseMimeType === 'application/json' ? '{}' : GENERIC)
}

/** Always the best-scored answer, whatever the temperature: the sandbox has one thing to say. */
function draw({ text, calls }: Answer, { generationConfig }: GenerateRequest, base: BaseModel): Candidate {
  const limit = generationConfig?.maxOutputTokens ?? Number.POSITIVE_INFINITY
  const tokens = tokenize(beforeStop(text, generationConfig?.stopSequences ?? []))
  const kept = tokens.slice(0, limit)
  return {
    pieces: [...kept.map(piece => ({ text: piece })), ...calls.map((call, at) => wireCall(call, at, base))],
    finishReason: kept.length < tokens.length ? 'MAX_TOKENS' : 'STOP',
    tokens: calls.reduce((sum, call) => sum + countTokens(JSON.stringify(call)), kept.length),
  }
}

/** Of parallel calls only the first is signed. */
function wireCall({ name, args }: Call, index: number, { signsThoughts }: BaseModel): WirePart {
  const signed = signsThoughts && index === 0
  return { functionCall: { name, args }, ...(signed && { thoughtSignature: signatureFor(name) }) }
}

function beforeStop(text: string, stops: readonly string[]): string {
  const ends = stops.filter(Boolean).flatMap(stop => {
    const at = text.indexOf(stop)
    return at < 0 ? [] : [at]
  })
  return text.slice(0, Math.min(text.length, ...ends))
}
