/**
 * Where an Azure OpenAI resource is spoken to. Its two surfaces differ in nothing but this: v1, `/openai/v1`, and the dated
 * one, `/openai` with an `api-version`.
 * @see https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
 * @module
 */
import { badRequest } from '../../openai/index.ts'
import type { Channel, Settings } from '../provider.ts'

const DATED = /^\d{4}-\d{2}-\d{2}(-preview)?$/
/** Versions of the v1 surface. */
const V1_VERSION = /^(v1|preview)$/
/** What is often copied along with a resource's address. */
const SURFACE = /\/openai(\/.*)?$/

export const DEFAULT_LOGIN_URL = 'https://login.microsoftonline.com'
export const DEFAULT_ARM_URL = 'https://management.azure.com'

/**
 * A setting that is an address, without what does not belong there.
 * @throws {ApiError} 400 naming the setting. The transport judges the host.
 */
export const placeOf = (
  settings: Settings,
  setting: 'baseUrl' | 'loginUrl' | 'armUrl',
  standard = '',
): URL => {
  const url = URL.parse(settings[setting] || standard)
  const refuse = (why: string) => badRequest(setting, `The ${setting} of this connection ${why}.`)
  if (!url || !/^https?:$/.test(url.protocol)) throw refuse('is not an https address')
  if (url.username || url.password) throw refuse('holds a user name or password')
  if (url.search || url.hash) {
    throw refuse('has a query or fragment: an API version belongs into apiVersion, and nothing else there')
  }
  url.pathname = url.pathname.replace(/\/+$/, '')
  return url
}

export const isDated = ({ apiVersion }: Settings): boolean => DATED.test(apiVersion ?? '')

/**
 * The settings as OpenAI's own functions take them: `baseUrl` is the surface, its version in the query.
 * @throws {ApiError} 400 for an address or version that cannot be one
 */
export const surfaceOf = (settings: Settings): Settings => {
  const { apiVersion } = settings
  if (apiVersion && !DATED.test(apiVersion) && !V1_VERSION.test(apiVersion)) {
    throw badRequest(
      'apiVersion',
      `'${apiVersion}' is no API version: give a date such as 2025-04-01-preview, or none for the v1 API.`,
    )
  }
  const url = placeOf(settings, 'baseUrl')
  url.pathname = `${url.pathname.replace(SURFACE, '').replace(/\/+$/, '')}/openai${isDated(settings) ? '' : '/v1'}`
  if (apiVersion) url.searchParams.set('api-version', apiVersion)
  return { ...settings, baseUrl: url.href }
}

/** The channel as OpenAI's own functions take it. */
export const onSurface = (channel: Channel): Channel => ({
  ...channel,
  settings: surfaceOf(channel.settings),
})

/** OpenAI's verb, spoken on Azure's surface. */
export const azurely =
  <A extends unknown[], R>(verb: (channel: Channel, ...args: A) => R) =>
  (channel: Channel, ...args: A): R =>
    verb(onSurface(channel), ...args)

/** Azure Resource Manager's root for this connection. */
export const armUrl = (settings: Settings): URL => placeOf(settings, 'armUrl', DEFAULT_ARM_URL)

/** Whether a URL is the resource manager's, which takes other tokens than the resource. */
export const isArm = (settings: Settings, url: URL): boolean => {
  const arm = armUrl(settings)
  return (
    url.origin === arm.origin && url.pathname.startsWith(`${arm.pathname.replace(/\/$/, '')}/subscriptions/`)
  )
}
