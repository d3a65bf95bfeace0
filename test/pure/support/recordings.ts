/**
 * What openai 7.55.0 sent to a local server, with all that tells one request from another: a judge of what the gateway sends and
 * takes.
 */
import requests from './openai-recorded.json' with { type: 'json' }

export type Operation = keyof typeof requests

export interface Recorded {
  method: string
  path: string
  query: Record<string, string>
  /** Account, authorisation and type; the rest is the client's own. */
  headers: Record<string, string>
  body: string
  reply: { status: number; body: string }
}

export const recorded = (operation: Operation): Recorded => requests[operation]
export const bodyOf = (operation: Operation): unknown => JSON.parse(recorded(operation).body)
export const replyOf = (operation: Operation): unknown => JSON.parse(recorded(operation).reply.body)
