/**
 * A process of its own: loads the Lambda bundle named by its argument, answers one request, and prints what that took.
 * @module
 */
import { Writable } from 'node:stream'
import { pathToFileURL } from 'node:url'

/** What a cold start consists of, as far as it is the bundle's doing. */
export interface FirstRequest {
  /** Milliseconds by the clock: loading the module, then its first answer. */
  loading: number
  answering: number
  /** Milliseconds of CPU for both. */
  cpu: number
  status: number
}

type Handler = (event: object, stream: Writable, context: object) => Promise<void>

/** A function URL's event: a request that is refused for want of a key, so that nothing but the gateway is asked. */
const EVENT = {
  version: '2.0',
  routeKey: '$default',
  rawPath: '/v1/models',
  rawQueryString: '',
  headers: { host: 'gateway.example.com' },
  requestContext: {
    accountId: 'anonymous',
    apiId: 'url',
    domainName: 'gateway.example.com',
    http: {
      method: 'GET',
      path: '/v1/models',
      protocol: 'HTTP/1.1',
      sourceIp: '192.0.2.1',
      userAgent: 'bench',
    },
    requestId: '0',
    stage: '$default',
  },
  isBase64Encoded: false,
}

const measure = async (path: string): Promise<FirstRequest> => {
  let status = 0
  // What Lambda's runtime has ready before it loads a function.
  const runtime = {
    streamifyResponse: (handler: Handler) => handler,
    HttpResponseStream: {
      from(stream: Writable, { statusCode }: { statusCode: number }) {
        status = statusCode
        return stream
      },
    },
  }
  Reflect.set(globalThis, 'awslambda', runtime)
  const before = process.cpuUsage()
  const began = performance.now()
  const { http }: { http: Handler } = await import(pathToFileURL(path).href)
  const loaded = performance.now()
  await http(EVENT, new Writable({ write: (_chunk, _encoding, done) => done() }), {})
  const answered = performance.now()
  const { user, system } = process.cpuUsage(before)
  return { loading: loaded - began, answering: answered - loaded, cpu: (user + system) / 1000, status }
}

process.stdout.write(JSON.stringify(await measure(process.argv[2] ?? '')))
// Whatever the gateway keeps open is of no interest.
process.exit()
