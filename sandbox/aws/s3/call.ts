import type { RawRequest } from '../sigv4.ts'
import type { Payload } from './payload.ts'
import { type Children, document } from './xml.ts'

/** A request that has been let in, taken apart. */
export interface Call {
  bucket: string
  key: string
  /** Parameters by name; one that is only there to be there is an empty string. */
  query: ReadonlyMap<string, string>
  headers: RawRequest['headers']
  payload: Payload
}

export const xmlResponse = (root: string, children: Children): Response =>
  new Response(document(root, children), { headers: { 'content-type': 'application/xml' } })
