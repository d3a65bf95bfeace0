/**
 * A function URL with response streaming: HTTP in, an event of format 2.0 for the function, its stream out.
 *
 * As with AWS the function is not told when a client leaves: it goes on to its end, and what it writes is dropped.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
 * @module
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { LambdaFunction } from './function.ts'

/** Bytes of an invocation's event: what Lambda takes. A body that is not text counts in base64. */
const MOST_EVENT_BYTES = 6 * 1024 * 1024
const DELIMITER = Buffer.alloc(8)

/** Bodies of these types come as they are; all others in base64. */
const isText = (type: string) =>
  /^(text\/|application\/(json|javascript|xml)\b|application\/[\w.-]+\+(json|xml)\b)/i.test(type)

/** As it is where it stands for no text. */
const decoded = (path: string): string => {
  try {
    return decodeURI(path)
  } catch {
    return path
  }
}

const eventOf = (request: IncomingMessage, body: Buffer) => {
  const [rawPath = '/', ...query] = (request.url ?? '/').split('?')
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, [value].flat().join(',')]),
  )
  const { cookie, ...rest } = headers
  const isBase64Encoded = body.length > 0 && !isText(headers['content-type'] ?? '')
  const domainName = headers.host ?? ''
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath,
    rawQueryString: query.join('?'),
    ...(cookie && { cookies: cookie.split('; ') }),
    headers: {
      ...rest,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-port': '443',
      'x-forwarded-proto': 'https',
    },
    requestContext: {
      accountId: 'anonymous',
      apiId: 'local',
      domainName,
      domainPrefix: domainName.split('.')[0],
      http: {
        method: request.method,
        path: decoded(rawPath),
        protocol: 'HTTP/1.1',
        sourceIp: '127.0.0.1',
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: crypto.randomUUID(),
      routeKey: '$default',
      stage: '$default',
      time: new Date().toUTCString(),
      timeEpoch: Date.now(),
    },
    ...(body.length > 0 && { body: body.toString(isBase64Encoded ? 'base64' : 'utf8') }),
    isBase64Encoded,
  }
}

/** The answer's head out of a stream's first bytes, and what of the body came with it. */
const readPrelude = async (chunks: AsyncIterator<Buffer>) => {
  let head = Buffer.alloc(0)
  for (;;) {
    const { value, done } = await chunks.next()
    if (done) return undefined
    head = Buffer.concat([head, value])
    const end = head.indexOf(DELIMITER)
    if (end === -1) continue
    const prelude: unknown = JSON.parse(head.subarray(0, end).toString())
    const {
      statusCode = 200,
      headers = {},
      cookies = [],
    } = prelude as {
      statusCode?: number
      headers?: Record<string, string>
      cookies?: string[]
    }
    return { statusCode, headers, cookies, rest: head.subarray(end + DELIMITER.length) }
  }
}

const refuse = (response: ServerResponse, status: number, message: string): void => {
  response.writeHead(status, {
    'content-type': 'application/json',
    'x-amzn-errortype': message.replaceAll(' ', ''),
  })
  response.end(JSON.stringify({ Message: message }))
}

const answer = async (lambda: LambdaFunction, request: IncomingMessage, response: ServerResponse) => {
  const event = eventOf(request, await buffer(request))
  if (Buffer.byteLength(JSON.stringify(event)) > MOST_EVENT_BYTES)
    return refuse(response, 413, 'Request Entity Too Large')
  const outcome = await lambda.invoke(event)
  if (outcome.kind !== 'stream') return refuse(response, 502, 'Internal Server Error')
  const chunks = outcome.body[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const begun = await readPrelude(chunks)
  if (!begun) return refuse(response, 502, 'Internal Server Error')
  const { statusCode, headers, cookies, rest } = begun
  // A function URL says how long an answer is only by its chunks.
  const { 'content-length': _, ...passed } = headers
  response.writeHead(statusCode, { ...passed, ...(cookies.length > 0 && { 'set-cookie': cookies }) })
  response.flushHeaders()
  const gone = new Promise(resolve => response.once('close', resolve))
  const write = (chunk: Buffer) => {
    if (!response.destroyed && chunk.length > 0) response.write(chunk)
  }
  write(rest)
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
    write(next.value)
    if (response.writableNeedDrain && !response.destroyed) await Promise.race([once(response, 'drain'), gone])
  }
  response.end()
}

/** @param edge stands before it and may answer in its place */
export const createFunctionUrl = (
  lambda: LambdaFunction,
  edge: (request: IncomingMessage, response: ServerResponse) => boolean = () => false,
): Server =>
  createServer((request, response) => {
    // What is not read is drained, so that the client hears the answer.
    if (edge(request, response)) request.resume()
    else answer(lambda, request, response).catch(() => response.destroy())
  })
