/** `endpoints/{E}:…` and `publishers/google/models/{M}:…`: everything that answers. */
import { type Context, Hono } from 'hono'
import type { Streams } from '../../streams.ts'
import { check, readBody } from '../check.ts'
import { GoogleError } from '../errors.ts'
import { generate, promptTokens, type Speaker } from './generate.ts'
import { COUNT_BODY, GENERATE_BODY } from './generate-schema.ts'
import type { Mishaps } from './mishap.ts'
import { BASE_LOCATIONS, baseModel, type Registry, SERVES_IN } from './models.ts'
import { CUSTOM_ENDPOINT, chat, predict, RAW_HEADERS, type RawAnswer, raw } from './prediction.ts'
import { findEndpoint, regionOf } from './resource-routes.ts'
import { asArray, asEvents, wireChunks, wireResponse } from './response.ts'
import type { ApiVersion } from './tuning-schema.ts'

export interface ServingParts {
  registry: Registry
  streams: Streams
  mishaps: Mishaps
}

type Method = (context: Context, body: unknown) => Response

/** Mounted below `/{version}/projects/{project}/locations/{location}`. */
export function servingRoutes(version: ApiVersion, { registry, streams, mishaps }: ServingParts): Hono {
  const stream = (
    context: Context,
    { id, model, chunks, type }: { id: string; model: string; chunks: Iterable<string>; type: string },
  ): Response =>
    context.body(streams.open(id, model, mishaps.over(chunks)), 200, {
      'content-type': type,
      // Keeps the server from collecting the first events into one write.
      'transfer-encoding': 'chunked',
    })

  /** The methods of anything that speaks Gemini. */
  const gemini = (speaker: Speaker, name: string): Record<string, Method> => ({
    generateContent: (context, body) =>
      context.json(wireResponse(generate(check(GENERATE_BODY[version], body), speaker))),
    streamGenerateContent: (context, body) => {
      const generation = generate(check(GENERATE_BODY[version], body), speaker)
      const sse = context.req.query('alt') === 'sse'
      const chunks = wireChunks(generation)
      return stream(context, {
        id: generation.responseId,
        model: name,
        chunks: sse ? asEvents(chunks) : asArray(chunks),
        type: sse ? 'text/event-stream' : 'application/json; charset=UTF-8',
      })
    },
    countTokens: (context, body) => {
      const totalTokens = promptTokens(check(COUNT_BODY[version], body))
      return context.json({
        totalTokens,
        promptTokensDetails: [{ modality: 'TEXT', tokenCount: totalTokens }],
      })
    },
  })

  const rawAnswer = (context: Context, answer: RawAnswer): Response => {
    if ('json' in answer) return context.json(answer.json, 200, RAW_HEADERS)
    const { id, model, events } = answer
    return stream(context, { id, model, chunks: events, type: 'text/event-stream; charset=utf-8' })
  }

  /** The methods of the custom endpoint. */
  const custom: Record<string, Method> = {
    predict: (context, body) => context.json(predict(body)),
    rawPredict: (context, body) => rawAnswer(context, raw(body)),
    streamRawPredict: (context, body) => rawAnswer(context, raw(body)),
  }

  const methodsAt = (context: Context, id: string): Record<string, Method> => {
    const endpoint = findEndpoint(registry, id)
    const location = regionOf(context)
    const missing = new GoogleError('NOT_FOUND', `Endpoint ${id} was not found in location ${location}.`)
    if (!endpoint) throw missing
    if (endpoint.id === CUSTOM_ENDPOINT.id) {
      if (location !== endpoint.region) throw missing
      return custom
    }
    if (location === endpoint.region) {
      throw new GoogleError(
        'FAILED_PRECONDITION',
        `Endpoint ${id} serves a Gemini 3 model, which answers only from the multi-region '${SERVES_IN[location]}'.`,
      )
    }
    if (location !== SERVES_IN[endpoint.region]) throw missing
    if (!endpoint.deployed) {
      throw new GoogleError('FAILED_PRECONDITION', `Endpoint ${id} has no deployed model.`)
    }
    const { model, weights } = endpoint.deployed
    return gemini({ base: model.base, weights }, id)
  }

  const run = async (context: Context, methods: Record<string, Method>, verb: string): Promise<Response> => {
    const method = Object.hasOwn(methods, verb) ? methods[verb] : undefined
    if (method) return method(context, await readBody(context))
    throw new GoogleError('FAILED_PRECONDITION', `:${verb} is not supported by this model.`)
  }

  const CALL =
    ':call{[^:/]+:(?:generateContent|streamGenerateContent|countTokens|predict|rawPredict|streamRawPredict)}'

  return new Hono()
    .post(`/endpoints/${CALL}`, context => {
      const [id = '', verb = ''] = context.req.param('call').split(':')
      return run(context, methodsAt(context, id), verb)
    })
    .post('/endpoints/:id/chat/completions', async context => {
      const id = context.req.param('id')
      if (methodsAt(context, id) !== custom) {
        throw new GoogleError('FAILED_PRECONDITION', 'chat/completions is not supported by this model.')
      }
      return rawAnswer(context, chat(await readBody(context)))
    })
    .post(`/publishers/google/models/${CALL}`, context => {
      const [id = '', verb = ''] = context.req.param('call').split(':')
      const location = regionOf(context)
      if (!BASE_LOCATIONS.includes(location)) {
        throw new GoogleError('NOT_FOUND', `${id} is not available in location ${location}.`)
      }
      return run(context, gemini({ base: baseModel(id), weights: undefined }, id), verb)
    })
}
