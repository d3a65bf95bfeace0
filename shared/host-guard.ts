/**
 * Which hosts the gateway may call. Pure: the transport asks it before every request.
 * @module
 */
import ipaddr from 'ipaddr.js'
import { ApiError } from './openai/index.ts'

/** Names that mean this machine or this network, whatever a resolver says. */
const LOCAL_NAME = /(^|\.)(localhost|local|internal|intranet|lan|home|corp|home\.arpa|localdomain6?)$/

/** IPv6 ranges the address library counts as public though they are not routed publicly. */
const UNROUTED_V6: readonly [string, number][] = [
  ['3fff::', 20], // documentation, RFC 9637
  ['2001::', 23], // protocol assignments, Teredo among them, RFC 2928
  ['2002::', 16], // 6to4: carries any IPv4 address inside, RFC 3056
]

const isPublicV6 = (address: ipaddr.IPv6): boolean =>
  address.range() === 'unicast' &&
  // Global unicast is 2000::/3 (RFC 4291): all else (fec0::/10, 64:ff9b:1::/48, 5f00::/16…) is refused.
  address.match(ipaddr.IPv6.parse('2000::'), 3) &&
  !UNROUTED_V6.some(([prefix, bits]) => address.match(ipaddr.IPv6.parse(prefix), bits))

const isPublicHost = (hostname: string): boolean => {
  const host = hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
  // An empty label is no name: what a resolver makes of it is its own affair.
  if (!ipaddr.isValid(host)) return /^[^.]+(\.[^.]+)+$/.test(host) && !LOCAL_NAME.test(host)
  const address = ipaddr.parse(host)
  return address instanceof ipaddr.IPv6 ? isPublicV6(address) : address.range() === 'unicast'
}

/**
 * Refuses a URL that is not https to a public host. `allowedOrigin` is the one exception: the local sandbox.
 * @param param the field of the request that the URL came in
 */
export const assertPublicUrl = (url: URL, allowedOrigin?: string, param = 'api_base'): void => {
  if (allowedOrigin !== undefined && url.origin === allowedOrigin) return
  const refuse = (why: string) =>
    new ApiError({
      status: 400,
      code: 'host_forbidden',
      param,
      message: `The host may not be called: ${why}.`,
    })
  if (url.protocol !== 'https:') throw refuse('only https is spoken')
  if (url.username || url.password) throw refuse('credentials do not belong in a URL')
  if (!isPublicHost(url.hostname)) throw refuse('it is not a public address')
}
