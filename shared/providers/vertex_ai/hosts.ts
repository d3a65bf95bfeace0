/**
 * Where Vertex AI and Cloud Storage are, and the URLs of their resources. Every piece of a path is encoded and every piece of a
 * host is checked, so that a name can never become another host.
 * @module
 */
import { readGoogleCredential } from '../../credentials/index.ts'
import { ApiError, badRequest } from '../../openai/index.ts'
import type { Settings } from '../provider.ts'

/** v1 knows neither preference tuning nor the ids of function calls. */
const API = 'v1beta1'

/** A location or project, as a label of a host (RFC 1123). */
const PART = /^[a-z0-9-]+$/
const checked = (value: string, param: string): string => {
  if (PART.test(value)) return value
  throw badRequest(param, `Invalid value for '${param}': it must be lower-case letters, digits and dashes.`)
}

/**
 * Where Gemini 3 answers for what was tuned in a region: not in the region itself (Vertex AI, "Deployments and endpoints").
 * Gemini 2.5 answered in the region; it was retired on 2026-10-16, with all its tunes.
 */
const SERVED_FROM = new Map([
  ['us-central1', 'us'],
  ['europe-west4', 'eu'],
])
export const servingLocation = (location: string): string => SERVED_FROM.get(location) ?? location

/** A region, a multi-region (`us`, `eu`) or `global` → its host, as Google's own SDK has them. */
export const hostOf = (location: string): string => {
  if (location === 'global') return 'aiplatform.googleapis.com'
  if (location === 'us' || location === 'eu') return `aiplatform.${location}.rep.googleapis.com`
  return `${location}-aiplatform.googleapis.com`
}

/** A project's place. */
export interface Place {
  project: string
  location: string
}

/** Of a service account, where no other project is named. @throws {ApiError} 400 for credentials that cannot be read */
const projectIn = (credentials: string | undefined): string | undefined =>
  credentials === undefined ? undefined : readGoogleCredential(credentials).project_id

/** The connection's own place. @throws {ApiError} without a project, or for one that is no name */
export const placeOf = ({ project, location = '', credentials }: Settings): Place => {
  const named = project ?? projectIn(credentials)
  if (named === undefined) {
    throw new ApiError({
      status: 400,
      code: 'connection_unconfigured',
      param: 'vertex_project',
      message: 'The connection has no project: set VERTEX_PROJECT, or project in tunegate.config.ts.',
    })
  }
  return { project: checked(named, 'vertex_project'), location: checked(location, 'vertex_location') }
}

/** A resource below a project and location. */
export interface Resource extends Place {
  collection: 'tuningJobs' | 'models' | 'endpoints' | 'operations'
  id: string
}

export const resourceName = ({ project, location, collection, id }: Resource): string =>
  `projects/${project}/locations/${location}/${collection}/${id}`

const RESOURCE =
  /^projects\/([a-z0-9-]+)\/locations\/([a-z0-9-]+)\/(tuningJobs|models|endpoints|operations)\/([\w@.-]+)$/

/** Reads a full resource name. */
export const parseResource = (name: string): Resource | undefined => {
  const [, project = '', location = '', collection, id = ''] = RESOURCE.exec(name) ?? []
  return collection === undefined
    ? undefined
    : { project, location, collection: collection as Resource['collection'], id }
}

const BELOW_PLACE = /^projects\/([a-z0-9-]+)\/locations\/([a-z0-9-]+)\/((?:[\w.-]+\/)*[\w.-]+)$/

/** Reads the full name of whatever lies below a place, however deep. */
export const parsePlace = (name: string): (Place & { segments: string[] }) | undefined => {
  const [, project = '', location = '', path] = BELOW_PLACE.exec(name) ?? []
  const segments = path?.split('/') ?? []
  if (path === undefined || segments.some(segment => /^\.{1,2}$/.test(segment))) return undefined
  return { project, location, segments }
}

type Query = Record<string, string | number | undefined>

const below = (base: string, path: string, query: Query): URL => {
  const url = new URL(`${base.replace(/\/+$/, '')}/${path}`)
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value))
  }
  return url
}

/**
 * A URL of Vertex AI.
 * @param segments below the place, e.g. `['tuningJobs', '456']`
 * @param verb what follows the colon, e.g. `cancel`
 */
export const aiplatformUrl = (
  { aiplatformUrl: own }: Settings,
  { project, location }: Place,
  segments: readonly string[],
  { verb, query = {} }: { verb?: string; query?: Query } = {},
): URL => {
  const path = ['projects', project, 'locations', location, ...segments].map(encodeURIComponent).join('/')
  const base = own ?? `https://${hostOf(checked(location, 'vertex_location'))}`
  return below(base, `${API}/${path}${verb === undefined ? '' : `:${verb}`}`, query)
}

/** A URL of Cloud Storage's JSON API; `upload` is where bytes are sent to. */
export const storageUrl = (
  { storageUrl: own = 'https://storage.googleapis.com' }: Settings,
  kind: 'objects' | 'upload',
  bucket: string,
  object: string | undefined,
  query: Query = {},
): URL => {
  const path = ['b', bucket, 'o', ...(object === undefined ? [] : [object])].map(encodeURIComponent).join('/')
  return below(own, `${kind === 'upload' ? 'upload/' : ''}storage/v1/${path}`, query)
}
