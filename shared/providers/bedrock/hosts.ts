/**
 * Where Bedrock and S3 are: URLs that an id, a key or a region can never turn into another path or host.
 * Hosts: AWS General Reference, "Amazon Bedrock endpoints and quotas", "Amazon S3 endpoints and quotas".
 * @module
 */
import { badRequest } from '../../openai/index.ts'
import {
  isBucketName,
  isDots,
  isS3Location,
  percentEncode,
  type Query,
  type S3Location,
  s3ObjectUrl,
  urlBelow,
} from '../../platform/index.ts'
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
  return urlBelow(baseOf(settings, service), segments.map(percentEncode).join('/'), query)
}

/** `s3://bucket/key` → its halves, or undefined when it is none or could be read as another place. */
export const parseS3Uri = (uri: string): S3Location | undefined => {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.+)$/s.exec(uri) ?? []
  return key !== '' && isS3Location({ bucket, key }) ? { bucket, key } : undefined
}

export const s3Uri = ({ bucket, key }: S3Location) => `s3://${bucket}/${key}`

/** A URL of an object, or with an empty key of its bucket. On AWS's hosts the bucket is part of the host. */
export const objectUrl = (settings: Settings, location: S3Location, query: Query = {}): URL => {
  if (!isS3Location(location)) throw badRequest(null, 'This is no place in S3.')
  return s3ObjectUrl(baseOf(settings, 's3'), location, query, settings.s3Url ? 'path' : 'host')
}

/** Whether a URL is one of the connection's: nothing else is ever signed. */
export const isOwnUrl = (settings: Settings, service: Service, url: URL): boolean => {
  const base = baseOf(settings, service)
  const bucket = service === 's3' && !settings.s3Url ? url.hostname.slice(0, -base.hostname.length - 1) : ''
  if (isBucketName(bucket) && !bucket.includes('.')) base.hostname = `${bucket}.${base.hostname}`
  return url.origin === base.origin && url.pathname.startsWith(base.pathname.replace(/\/*$/, '/'))
}
