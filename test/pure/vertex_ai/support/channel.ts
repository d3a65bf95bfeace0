/** A channel that is asked and says what it was told to; what was asked is kept. */

import { parseJson } from '../../../../shared/providers/json.ts'
import {
  type Channel,
  ProviderFault,
  type ProviderRequest,
  type Settings,
} from '../../../../shared/providers/provider.ts'
import { toFault } from '../../../../shared/providers/vertex_ai/faults.ts'
import type { Answer } from '../../../../shared/transport.ts'

export interface Reply {
  status?: number
  headers?: Record<string, string>
  body?: unknown
}

export const SETTINGS: Settings = {
  project: 'proj-x',
  location: 'us-central1',
  bucket: 'bucket',
  accessToken: 'ya29.FAKE',
}

/** @param answer to each request, or what is thrown in its place */
export const channelOf = (
  answer: (request: ProviderRequest) => Reply | ProviderFault,
  settings: Settings = SETTINGS,
) => {
  const requests: ProviderRequest[] = []
  const call = async (request: ProviderRequest): Promise<Answer> => {
    requests.push(request)
    const reply = answer(request)
    if (reply instanceof Error) throw reply
    const { status = 200, headers, body = {} } = reply
    const bytes = new TextEncoder().encode(JSON.stringify(body))
    const whole = { status, headers: new Headers(headers), bytes }
    if ((status < 200 || status >= 300) && !request.accept?.includes(status))
      throw new ProviderFault('vertex_ai', toFault(whole))
    return whole
  }
  const channel: Channel = {
    settings,
    call,
    read: async (schema, request) => schema.parse(parseJson((await call(request)).bytes)),
    open: async request => {
      const { bytes, ...rest } = await call(request)
      return { ...rest, body: new Blob([bytes]).stream() }
    },
    sizedBody: () => {
      throw new Error('not used')
    },
    sleep: async () => undefined,
    now: () => Date.UTC(2026, 10, 20),
  }
  return { channel, requests }
}

/** Method, path, query and JSON body: what a recording is compared by. */
export const wire = ({ method, url, body }: ProviderRequest) => ({
  method,
  host: url.host,
  path: url.pathname,
  query: Object.fromEntries(url.searchParams),
  ...(typeof body === 'string' && body !== '' && { body: JSON.parse(body) as unknown }),
})
