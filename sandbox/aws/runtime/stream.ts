/** A completion as a sequence of events. */
import { randomInt } from 'node:crypto'
import { tokenize } from '../../openai/tokens.ts'
import type { Block, Completion } from './completion.ts'
import { eventFrame } from './event-stream.ts'

interface Event {
  type: string
  body: Record<string, unknown>
}

/** Payloads are padded with this, so that their lengths do not betray the text. */
const PADDING = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'

const padded = ({ type, body }: Event): Uint8Array =>
  eventFrame(type, { ...body, p: PADDING.slice(0, randomInt(4, PADDING.length)) })

/** @param latencyMs asked when all has been said */
export function* framesOf(completion: Completion, latencyMs: () => number): Generator<Uint8Array> {
  for (const event of eventsOf(completion)) yield padded(event)
  yield padded({ type: 'metadata', body: { usage: completion.usage, metrics: { latencyMs: latencyMs() } } })
}

function* eventsOf({ content, stopReason }: Completion): Generator<Event> {
  yield { type: 'messageStart', body: { role: 'assistant' } }
  for (const [contentBlockIndex, block] of content.entries()) {
    const start = startOf(block)
    if (start) yield { type: 'contentBlockStart', body: { contentBlockIndex, start } }
    for (const delta of deltasOf(block))
      yield { type: 'contentBlockDelta', body: { contentBlockIndex, delta } }
    yield { type: 'contentBlockStop', body: { contentBlockIndex } }
  }
  yield { type: 'messageStop', body: { stopReason } }
}

/** Only tools are announced. */
function startOf(block: Block): Record<string, unknown> | undefined {
  if (!('toolUse' in block)) return undefined
  const { toolUseId, name } = block.toolUse
  return { toolUse: { toolUseId, name } }
}

/** Text piece by piece; a tool's input as pieces of JSON. */
const deltasOf = (block: Block): Record<string, unknown>[] =>
  'text' in block
    ? tokenize(block.text).map(text => ({ text }))
    : tokenize(JSON.stringify(block.toolUse.input)).map(input => ({ toolUse: { input } }))
