/**
 * The native part of Lambda's runtime (`src/native/rapid-client.cc` of aws-lambda-ric) in JavaScript: it asks the Runtime API for an
 * invocation and sends what became of it. Everything else, the loop, the streams, the context, the log, is the package's own.
 *
 * The native one sends an answer before it returns; this one before it asks for the next invocation. The Runtime API sees no difference.
 * @module
 */
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'

const [host = '', port = ''] = (process.env.AWS_LAMBDA_RUNTIME_API ?? '').split(':')
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

/** @param path below the Runtime API's root; ids in it are encoded */
const call = async (method: 'GET' | 'POST', path: string, body?: string, headers = {}) => {
  const asked = request({
    host,
    port,
    agent,
    method,
    path: `/2018-06-01/runtime/invocation/${path}`,
    headers,
  })
  asked.end(body)
  const [response] = await once(asked, 'response')
  return { status: response.statusCode as number, headers: response.headers, body: await text(response) }
}

/** What became of the invocation before. */
let told: Promise<unknown> = Promise.resolve()

const tell = (path: string, body: string, headers = {}): null => {
  const bytes = Buffer.byteLength(body)
  told = call('POST', path, body, {
    'content-type': 'application/json',
    'content-length': bytes,
    ...headers,
  }).catch(() => undefined)
  return null
}

export const next = async (): Promise<{ bodyJson: string; headers: object }> => {
  await told
  const { status, headers, body } = await call('GET', 'next')
  if (status >= 300) throw new Error(`Failed to get next invocation, error ${status}`)
  return { bodyJson: body, headers }
}

export const done = (id: string, body: string): null => tell(`${id}/response`, body)

export const error = (id: string, body: string, xray: string): null =>
  // A header's bytes: what an exception says need not be ASCII.
  tell(`${id}/error`, body, {
    'lambda-runtime-function-xray-error-cause': Buffer.from(xray).toString('latin1'),
  })
