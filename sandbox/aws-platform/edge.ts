/**
 * CloudFront, as far as a function for viewer requests sees of it: it may answer in place of what stands behind.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html
 * @module
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { runInNewContext } from 'node:vm'

interface EdgeAnswer {
  statusCode: number
  headers: Record<string, { value: string }>
  body: { data: string }
}
type EdgeHandler = (event: object) => EdgeAnswer | object

/** The deployment's own function, with nothing in reach but the language. @param code as the build writes it */
export const loadEdge = (code: string): EdgeHandler => runInNewContext(`${code}\nhandler`) as EdgeHandler

/** @returns whether the request has been answered here */
export const answeredAtEdge = (
  handler: EdgeHandler,
  { method, url = '/', headers }: IncomingMessage,
  response: ServerResponse,
): boolean => {
  const answer = handler({
    version: '1.0',
    context: { eventType: 'viewer-request', requestId: crypto.randomUUID().replaceAll('-', '') },
    viewer: { ip: '127.0.0.1' },
    request: {
      method,
      uri: url.split('?')[0],
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, { value: [value].flat().join(',') }]),
      ),
    },
  })
  if (!('statusCode' in answer)) return false
  const { statusCode, headers: own, body } = answer as EdgeAnswer
  response.writeHead(
    statusCode,
    Object.fromEntries(Object.entries(own).map(([name, { value }]) => [name, value])),
  )
  response.end(body.data)
  return true
}
