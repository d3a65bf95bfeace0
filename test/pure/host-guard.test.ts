import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assertPublicUrl } from '../../shared/host-guard.ts'
import { ApiError } from '../../shared/openai/index.ts'

/** IPv4 that is not routed publicly: IANA's special-purpose registry, multicast and the reserved rest. */
const PRIVATE_V4 = {
  '0.0.0.0/8': 'this network, RFC 791',
  '10.0.0.0/8': 'private, RFC 1918',
  '100.64.0.0/10': 'shared, RFC 6598 (Bifrost CVE-2026-55245)',
  '127.0.0.0/8': 'loopback',
  '169.254.0.0/16': 'link-local, cloud metadata',
  '172.16.0.0/12': 'private, RFC 1918',
  '192.0.0.0/24': 'protocol assignments',
  '192.0.2.0/24': 'documentation',
  '192.88.99.0/24': '6to4 relay',
  '192.168.0.0/16': 'private, RFC 1918',
  '198.18.0.0/15': 'benchmarks',
  '198.51.100.0/24': 'documentation',
  '203.0.113.0/24': 'documentation',
  '224.0.0.0/4': 'multicast',
  '240.0.0.0/4': 'reserved, broadcast',
}

const numberOf = (dotted: string) => dotted.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
const octetsOf = (address: number) => [24, 16, 8, 0].map(shift => (address >>> shift) & 255)

const blocks = Object.keys(PRIVATE_V4).map(cidr => {
  const [dotted = '', bits = ''] = cidr.split('/')
  const first = numberOf(dotted)
  return { first, last: first + 2 ** (32 - Number(bits)) - 1 }
})
const isPrivate = (address: number) => blocks.some(({ first, last }) => first <= address && address <= last)

const privateV4 = fc.constantFrom(...blocks).chain(({ first, last }) => fc.integer({ min: first, max: last }))
const publicV4 = fc
  .integer({ min: 0, max: 2 ** 32 - 1 })
  // Two blocks the guard also refuses, being services of the network itself (AS112, AMT relays).
  .filter(address => !isPrivate(address) && ![0xc0af30, 0xc01fc4, 0xc034c1].includes(address >>> 8))

/** A number as a C library reads it. */
const spellNumber = fc.constantFrom(
  (n: number) => String(n),
  (n: number) => `0x${n.toString(16)}`,
  (n: number) => `0X${n.toString(16).toUpperCase()}`,
  (n: number) => `0${n.toString(8)}`,
  (n: number) => `0x0000${n.toString(16)}`,
)
const wide = (text: string) =>
  text.replace(/[0-9]/g, digit => String.fromCharCode(digit.charCodeAt(0) + 0xfee0))
const dress = fc.constantFrom<(host: string) => string>(
  host => host,
  host => `${host}.`,
  host => wide(host),
  host => host.replaceAll('.', '\u3002'),
  host => host.replace(/\d/, digit => `%3${digit}`),
)

/** Every way a URL may spell an IPv4 address: one to four numbers of any base, dressed up. */
const spell = (address: number) =>
  fc
    .record({
      parts: fc.integer({ min: 1, max: 4 }),
      numbers: fc.array(spellNumber, { minLength: 4, maxLength: 4 }),
      dressed: dress,
    })
    .map(({ parts, numbers, dressed }) => {
      const octets = octetsOf(address)
      const values = [...octets.slice(0, parts - 1), address % 256 ** (5 - parts)]
      return dressed(values.map((value, index) => numbers[index]?.(value)).join('.'))
    })

const hex = (...numbers: number[]) => numbers.map(number => number.toString(16)).join(':')

/** IPv6 addresses that carry an IPv4 address to a host that would unwrap it. */
const wrap = (address: number) => {
  const [high, low] = [address >>> 16, address & 0xffff]
  const dotted = octetsOf(address).join('.')
  return {
    'mapped, dotted': `::ffff:${dotted}`,
    'mapped, hex': `::ffff:${hex(high, low)}`,
    'mapped, in full': `0:0:0:0:0:FFFF:${hex(high, low)}`,
    compatible: `::${hex(high, low)}`,
    'translated, RFC 6145': `::ffff:0:${hex(high, low)}`,
    'NAT64, RFC 6052': `64:ff9b::${dotted}`,
    'NAT64 local, RFC 8215': `64:ff9b:1::${hex(high, low)}`,
    '6to4': `2002:${hex(high, low)}::1`,
    Teredo: `2001:0:${hex(high, low)}::1`,
    'Teredo, the client': `2001:0:808:808:0:0:${hex(~high & 0xffff, ~low & 0xffff)}`,
  }
}

const refusal = (url: string, allowed?: string): unknown => {
  try {
    assertPublicUrl(new URL(url), allowed)
    return undefined
  } catch (error) {
    return error
  }
}

describe('the host guard', () => {
  it.each([
    'https://api.openai.com/v1/files',
    'https://eu.api.openai.com',
    'https://api.openai.com.:443/v1',
    'https://API.OPENAI.COM',
    'https://8.8.8.8/v1',
    'https://api.example.com:8443/v1',
    'https://[2606:4700:4700::1111]/',
    'https://[2001:4860:4860::8888]/',
    'https://xn--bcher-kva.example',
    'https://localhost.example.com',
    'https://notlocalhost.com',
    'https://homecorp.io',
    // Everything after `#`, `?` or a slash is no host.
    'https://api.openai.com#@127.0.0.1',
    'https://api.openai.com?@127.0.0.1',
    'https://api.openai.com/@127.0.0.1',
    'https://api.openai.com\\@127.0.0.1',
  ])('lets %s pass', url => {
    expect(refusal(url)).toBeUndefined()
  })

  it('lets any other IPv4 address pass, however it is spelled', () => {
    fc.assert(
      fc.property(publicV4.chain(spell), host => {
        expect(refusal(`https://${host}/v1`)).toBeUndefined()
      }),
    )
  })

  it('refuses every IPv4 address of the special ranges, however it is spelled (Bifrost CVE-2026-55245)', () => {
    fc.assert(
      fc.property(privateV4.chain(spell), fc.constantFrom('', ':443', ':8443'), (host, port) => {
        expect(refusal(`https://${host}${port}/v1?x=1#y`)).toBeInstanceOf(ApiError)
      }),
      { numRuns: 1000 },
    )
  })

  it.each(Object.entries(PRIVATE_V4))('refuses both ends of %s: %s', cidr => {
    const block = blocks[Object.keys(PRIVATE_V4).indexOf(cidr)]
    for (const address of [block?.first ?? 0, block?.last ?? 0]) {
      expect(refusal(`https://${octetsOf(address).join('.')}`)).toBeInstanceOf(ApiError)
    }
  })

  it('refuses any IPv4 address wrapped into IPv6 (6to4, NAT64, Teredo, mapped)', () => {
    fc.assert(
      fc.property(fc.oneof(privateV4, publicV4), address => {
        for (const [form, host] of Object.entries(wrap(address))) {
          expect(refusal(`https://[${host}]/`), form).toBeInstanceOf(ApiError)
        }
      }),
    )
  })

  it.each([
    '::',
    '::1',
    '0:0:0:0:0:0:0:1',
    '100::1', // discard, RFC 6666
    '2001:2::1', // benchmarks
    '2001:10::1', // ORCHID
    '2001:20::1', // ORCHIDv2
    '2001:db8::1', // documentation
    '3fff::1', // documentation, RFC 9637
    '5f00::1', // segment routing
    '64:ff9b::1',
    '64:ff9b:1:abcd::1',
    '4000::1', // outside of 2000::/3
    'fc00::1',
    'fdff:ffff::1',
    'fe80::1',
    'febf::1',
    'fec0::1', // site-local (Bifrost CVE-2026-55245)
    'feff::1',
    'ff02::1',
    'ffff::1',
  ])('refuses [%s]', host => {
    expect(refusal(`https://[${host}]:443/`)).toBeInstanceOf(ApiError)
  })

  it.each([
    // Portkey #1718 and CVE-2026-110719: names of the own machine or network.
    'localhost',
    'LOCALHOST',
    'localhost.',
    'localhost..',
    'foo.localhost',
    'foo.localhost.',
    'loc%61lhost',
    'ⓛocalhost',
    'foo\u3002localhost',
    'localhost.localdomain',
    'localhost6.localdomain6',
    'printer.local',
    'metadata.google.internal',
    'metadata.google.internal.',
    'vault.corp',
    'nas.home',
    'nas.home.arpa',
    'wiki.intranet',
    'router.lan',
    // A single label is looked up in the own network.
    'metadata',
    'gateway.',
    'com',
    // Empty labels name nothing that a resolver must agree on.
    '127.0.0.1..',
    'a..b.com',
    '.example.com',
    'example.com..',
    '..',
  ])('refuses the name %s', host => {
    let url: URL
    try {
      url = new URL(`https://${host}/`)
    } catch {
      // What is not a URL cannot be called.
      return
    }
    expect(() => assertPublicUrl(url)).toThrow(ApiError)
  })

  it.each([
    'https://api.openai.com@127.0.0.1',
    'https://api.openai.com:443@127.0.0.1/',
    'https://127.0.0.1@api.openai.com',
    'https://user:pass@api.openai.com',
    'https://:pass@api.openai.com',
    'https://127.0.0.1#@api.openai.com',
    'https://127.0.0.1\\@api.openai.com',
    'https://127.0.0.1?@api.openai.com',
    'https:127.0.0.1',
    'https:\\\\127.0.0.1',
    'https://127.0.0.1\t.\n',
    'http://api.openai.com',
    'http://8.8.8.8',
    'ftp://api.openai.com',
    'ws://api.openai.com',
    'wss://api.openai.com',
    'file:///etc/passwd',
    'data:text/plain,x',
    'blob:https://api.openai.com/x',
    'javascript:0',
  ])('refuses %j', url => {
    expect(refusal(url)).toBeInstanceOf(ApiError)
  })

  it('answers a 400 that names the field and says why', () => {
    expect(refusal('https://10.0.0.1')).toMatchObject({
      status: 400,
      code: 'host_forbidden',
      param: 'api_base',
    })
    expect(refusal('http://api.openai.com')).toMatchObject({ message: expect.stringContaining('https') })
  })

  it('judges the host that is called: URL and request agree (vLLM CVE-2026-25960)', () => {
    const noise = fc.string({
      unit: fc.constantFrom('@', '#', '?', '/', '\\', ':', '.', '%', '[', ']', '1', 'a', '\t'),
    })
    fc.assert(
      fc.property(noise, noise, (before, after) => {
        const text = `https://${before}127.0.0.1${after}`
        if (!URL.canParse(text)) return
        const url = new URL(text)
        if (refusal(text) !== undefined) return
        expect(url.hostname).not.toBe('127.0.0.1')
        expect(new URL(new Request(url).url).hostname).toBe(url.hostname)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the one allowed origin', () => {
  const sandbox = 'http://127.0.0.1:8787'
  it.each([sandbox, `${sandbox}/v1/files?x=1`, 'http://0x7f000001:8787/v1', 'http://127.1:8787'])(
    '%s passes',
    url => {
      expect(refusal(url, sandbox)).toBeUndefined()
      expect(refusal(url)).toBeInstanceOf(ApiError)
    },
  )

  it.each([
    'https://127.0.0.1:8787', // another scheme
    'http://127.0.0.1:8788', // another port
    'http://127.0.0.1',
    'http://127.0.0.1:80',
    'http://127.0.0.2:8787',
    'http://localhost:8787',
    'http://[::1]:8787',
    'http://[::ffff:127.0.0.1]:8787',
    'http://127.0.0.1:8787@10.0.0.1',
    'http://10.0.0.1#http://127.0.0.1:8787',
    'http://api.openai.com',
    'https://10.0.0.1',
    'ws://127.0.0.1:8787',
  ])('%s does not', url => {
    expect(refusal(url, sandbox)).toBeInstanceOf(ApiError)
  })

  it('leaves the public ones as they are', () => {
    expect(refusal('https://api.openai.com', sandbox)).toBeUndefined()
  })
})
