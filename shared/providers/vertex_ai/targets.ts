/**
 * A model's name → what is called, and how. How an endpoint is called is configuration, or known because a job made it; its
 * name does not say.
 * @module
 */
import * as z from 'zod'
import { ApiError, badRequest } from '../../openai/index.ts'
import type { ChatRequest, Settings } from '../provider.ts'
import type { Speaker } from './chat/index.ts'
import { type Place, parseResource, placeOf, servingLocation } from './hosts.ts'

export const WAYS = ['generate', 'predict', 'raw', 'chat'] as const
export type Way = (typeof WAYS)[number]

export interface Endpoint extends Place {
  id: string
}

const ID = '[A-Za-z0-9_-]+'
const PART = '[a-z0-9-]+'
/** `endpoints/{id}` in the connection's own place, and with a place of its own. */
const SHORT = new RegExp(`^(?:endpoints/)?(${ID})$`)
const PLACED = new RegExp(`^(${PART})/(${PART})/endpoints/(${ID})$`)

/** An endpoint's name in any of its forms. @param bare whether an id alone is one, which in chat names a base model */
export const parseEndpoint = (settings: Settings, name: string, bare = false): Endpoint | undefined => {
  const resource = parseResource(name)
  if (resource) {
    const { project, location, collection, id } = resource
    return collection === 'endpoints' ? { project, location, id } : undefined
  }
  const [, project, location, placed] = PLACED.exec(name) ?? []
  if (project !== undefined && location !== undefined && placed !== undefined)
    return { project, location, id: placed }
  const id = bare || name.startsWith('endpoints/') ? SHORT.exec(name)?.[1] : undefined
  return id === undefined ? undefined : { ...placeOf(settings), id }
}

const endpointWays = z.record(z.string(), z.enum(WAYS))

/** How the connection's endpoints are called. @throws {ApiError} 500 when the configuration is not that */
export const waysOf = ({ endpoints }: Settings): Record<string, Way> => {
  if (!endpoints) return {}
  let value: unknown
  try {
    value = JSON.parse(endpoints)
  } catch {
    value = undefined
  }
  const { data } = endpointWays.safeParse(value)
  if (data) return data
  throw new ApiError({
    status: 500,
    code: 'connection_unconfigured',
    message: `VERTEX_ENDPOINTS must be a JSON object from endpoint ids to one of ${WAYS.join(', ')}.`,
  })
}

export type Target =
  | { way: 'generate'; speaker: Speaker }
  | { way: Exclude<Way, 'generate'>; endpoint: Endpoint }

/** A publisher's model in any of its forms. */
const PUBLISHED = /^(?:publishers\/google\/models\/|google\/)?([A-Za-z0-9][\w.@-]*)$/

/**
 * Where and how a chat request goes.
 * @param request `isTune`: one of a job's own endpoints, which needs no configuration. Any other is only called if it is configured: whoever
 *   knows an endpoint's number could otherwise call someone else's tune.
 * @throws {ApiError} 400 for an endpoint of which nobody said how to call it
 */
export const targetOf = (
  settings: Settings,
  { body: { model }, isTune }: Pick<ChatRequest, 'body' | 'isTune'>,
): Target => {
  const endpoint = parseEndpoint(settings, model)
  if (endpoint) {
    const ways = waysOf(settings)
    const way = Object.hasOwn(ways, endpoint.id) ? ways[endpoint.id] : isTune ? 'generate' : undefined
    if (way === undefined) throw unknownWay(endpoint.id)
    if (way !== 'generate') return { way, endpoint }
    const place = { project: endpoint.project, location: servingLocation(endpoint.location) }
    return { way, speaker: { place, segments: ['endpoints', endpoint.id] } }
  }
  const name = PUBLISHED.exec(model)?.[1]
  if (name === undefined)
    throw badRequest('model', `'${model}' names neither a Gemini model nor an endpoint.`)
  const { project, location } = placeOf(settings)
  const served = name.startsWith('gemini-3') ? servingLocation(location) : location
  return {
    way: 'generate',
    speaker: { place: { project, location: served }, segments: ['publishers', 'google', 'models', name] },
  }
}

export const unknownWay = (id: string) =>
  badRequest(
    'model',
    `It is not known how the endpoint '${id}' is called: add "${id}" to the connection's endpoints in tunegate.config.ts (or to VERTEX_ENDPOINTS), as one of ${WAYS.join(', ')}; 'generate' is for tuned Gemini models.`,
    'model_not_deployed',
  )
