/**
 * Where Bedrock and S3 are: URLs that an id, a key or a region can never turn into another path or host.
 * Hosts: AWS General Reference, "Amazon Bedrock endpoints and quotas", "Amazon S3 endpoints and quotas".
 * @module
 */
import { badRequest } from '../../openai/index.ts'
import type { Settings } from '../provider.ts'
import { wrongSetting } from './settings.ts'

/** Control plane, inference, storage. */
export type Service = 'bedrock' | 'runtime' | 's3'

const SUBDOMAIN: Record<Service, string> = { bedrock: 'bedrock', runtime: 'bedrock-runtime', s3: 's3' }
const URL_SETTING = { bedrock: 'bedrockUrl', runtime: 'runtimeUrl', s3: 's3Url' } as const

/** China has a domain of its own; GovCloud shares the common one. */
const domainOf = (region: string) => (region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com')

/** The region, which becomes part of host names and signatures. */
export const regionOf = ({ region = '' }: Settings): string => {
  if (!/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/.test(region))
    throw wrongSetting('region', "is not the name of a region, such as 'us-east-1'")
  return region
}

/** Where a service begins: as configured, else AWS's own host in the region. */
export const baseOf = (settings: Settings, service: Service): URL => {
  const configured = settings[URL_SETTING[service]]
  const region = regionOf(settings)
  if (!configured) return new URL(`https://${SUBDOMAIN[service]}.${region}.${domainOf(region)}`)
  if (!URL.canParse(configured)) throw wrongSetting(URL_SETTING[service], 'is not a URL')
  return new URL(configured)
}

/** Percent-encodes all but RFC 3986's unreserved characters, as signatures have it. */
export const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)

/** A URL parser resolves these even when they are percent-encoded. */
const isDots = (segment: string) => segment === '.' || segment === '..'

export type Query = Record<string, string | number | undefined>

/** Spaces as `%20`: what `+` means in a query is read differently by different services. */
const search = (query: Query): string =>
  Object.entries(query)
    .flatMap(([name, value]) => (value === undefined ? [] : [`${encode(name)}=${encode(String(value))}`]))
    .join('&')

const below = (base: URL, path: string, query: Query): URL => {
  const url = new URL(base)
  url.pathname = `${base.pathname.replace(/\/+$/, '')}/${path}`
  url.search = search(query)
  return url
}

/**
 * A URL of Bedrock's. Each segment stays one: an ARN's `:` and `/` are percent-encoded (unencoded, the answer is
 * `UnknownOperationException`, once even with status 200).
 */
export const urlOf = (
  settings: Settings,
  service: 'bedrock' | 'runtime',
  segments: readonly string[],
  query: Query = {},
): URL => {
  if (segments.some(segment => segment === '' || isDots(segment)))
    throw badRequest(null, 'This is no id that Bedrock could have.')
  return below(baseOf(settings, service), segments.map(encode).join('/'), query)
}

export interface S3Location {
  bucket: string
  key: string
}

/** S3's rules for names of buckets. @see https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
export const isBucket = (name: string) => BUCKET.test(name) && !name.includes('..')

/** `s3://bucket/key` → its halves, or undefined when it is none or could be read as another place. */
export const parseS3Uri = (uri: string): S3Location | undefined => {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.+)$/s.exec(uri) ?? []
  return isBucket(bucket) && key !== '' && !key.split('/').some(isDots) ? { bucket, key } : undefined
}

export const s3Uri = ({ bucket, key }: S3Location) => `s3://${bucket}/${key}`

/**
 * A URL of an object, or with an empty key of its bucket. On AWS's hosts the bucket is part of the host, as AWS
 * recommends, unless a dot in its name would miss the wildcard certificate; elsewhere it is part of the path.
 */
export const objectUrl = (settings: Settings, { bucket, key }: S3Location, query: Query = {}): URL => {
  if (!isBucket(bucket) || key.split('/').some(isDots)) throw badRequest(null, 'This is no place in S3.')
  const base = baseOf(settings, 's3')
  const path = key.split('/').map(encode).join('/')
  if (settings.s3Url || bucket.includes('.')) return below(base, `${bucket}/${path}`, query)
  base.hostname = `${bucket}.${base.hostname}`
  return below(base, path, query)
}

/** Whether a URL is one of the connection's: nothing else is ever signed. */
export const isOwnUrl = (settings: Settings, service: Service, url: URL): boolean => {
  const base = baseOf(settings, service)
  const bucket = service === 's3' && !settings.s3Url ? url.hostname.slice(0, -base.hostname.length - 1) : ''
  if (isBucket(bucket) && !bucket.includes('.')) base.hostname = `${bucket}.${base.hostname}`
  return url.origin === base.origin && url.pathname.startsWith(base.pathname.replace(/\/*$/, '/'))
}
