import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toRequest } from '../../../shared/providers/azure/chat.ts'
import { deploymentUrl } from '../../../shared/providers/azure/deployments.ts'
import { isArm, surfaceOf } from '../../../shared/providers/azure/url.ts'
import type { Settings } from '../../../shared/providers/index.ts'
import { RESOURCE } from './support.ts'

const href = (baseUrl: string, apiVersion?: string) => surfaceOf({ baseUrl, apiVersion }).baseUrl

describe('surfaces', () => {
  it.each([
    RESOURCE,
    `${RESOURCE}/`,
    `${RESOURCE}/openai`,
    `${RESOURCE}/openai/`,
    `${RESOURCE}/openai/v1`,
    `${RESOURCE}/openai/v1/`,
    `${RESOURCE}/openai/deployments/x/chat/completions`,
  ])('of %s', baseUrl => {
    expect(href(baseUrl)).toBe(`${RESOURCE}/openai/v1`)
    expect(href(baseUrl, '')).toBe(`${RESOURCE}/openai/v1`)
    expect(href(baseUrl, '2025-04-01-preview')).toBe(`${RESOURCE}/openai?api-version=2025-04-01-preview`)
    expect(href(baseUrl, '2024-10-21')).toBe(`${RESOURCE}/openai?api-version=2024-10-21`)
  })

  it.each(['v1', 'preview'])('the version %s is one of v1', version => {
    expect(href(RESOURCE, version)).toBe(`${RESOURCE}/openai/v1?api-version=${version}`)
  })

  it('keep a path before them', () => {
    expect(href('https://gate.example/azure/east/openai/')).toBe('https://gate.example/azure/east/openai/v1')
    expect(href('https://res.services.ai.azure.com/api/projects/p')).toBe(
      'https://res.services.ai.azure.com/api/projects/p/openai/v1',
    )
  })

  it.each(['2025', 'v2', '2025-04-01-beta', '../x', '2024-10-21&x=y', '2024-10-21#'])(
    'the version %j is none',
    version => {
      expect(() => href(RESOURCE, version)).toThrow(
        expect.objectContaining({ status: 400, param: 'apiVersion', code: 'invalid_value' }),
      )
    },
  )

  it.each([
    'res',
    'res.openai.azure.com',
    'ftp://res.openai.azure.com',
    'https://',
    'https://user@res.openai.azure.com',
    'https://user:pw@res.openai.azure.com',
    `${RESOURCE}#.openai.azure.com`,
    `${RESOURCE}?api-version=2024-10-21`,
  ])('the address %j is none (Portkey 22: `evil.com#` rewrote the host)', baseUrl => {
    expect(() => href(baseUrl)).toThrow(expect.objectContaining({ status: 400, param: 'baseUrl' }))
  })
})

const names = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1 }),
  fc.constantFrom('evil.com#', '@evil.com', '//evil.com', 'a/b', 'a?b=c', '%2e%2e', '..\\..', 'a b', 'ü'),
)

it('a deployment’s name never moves a chat (Portkey 22)', () => {
  fc.assert(
    fc.property(names, model => {
      fc.pre(!['.', '..'].includes(model))
      const request = { text: '{}', body: { model } }
      const { url } = toRequest({ baseUrl: RESOURCE, apiVersion: '2024-10-21' }, request)
      expect([url.origin, url.search, url.hash, url.username]).toEqual([
        RESOURCE,
        '?api-version=2024-10-21',
        '',
        '',
      ])
      const segments = url.pathname.split('/')
      expect(segments).toHaveLength(6)
      expect(decodeURIComponent(segments[3] ?? '')).toBe(model)
      expect(toRequest({ baseUrl: RESOURCE }, request).url.href).toBe(
        `${RESOURCE}/openai/v1/chat/completions`,
      )
    }),
    { numRuns: 200 },
  )
})

describe('the resource manager', () => {
  const settings: Settings = { subscriptionId: 'sub-1', resourceGroup: 'group-1', account: 'account-1' }

  it('has a deployment at', () => {
    expect(deploymentUrl(settings, 'tunegate-1.a_B').href).toBe(
      'https://management.azure.com/subscriptions/sub-1/resourceGroups/group-1/providers/Microsoft.CognitiveServices/accounts/account-1/deployments/tunegate-1.a_B?api-version=2024-10-01',
    )
  })

  it.each(['a', '', 'a'.repeat(65), 'a/b', 'a b', 'ft:x', '../x', 'ü1'])(
    'has no deployment named %j',
    name => {
      expect(() => deploymentUrl(settings, name)).toThrow(expect.objectContaining({ status: 400 }))
    },
  )

  it.each(['subscriptionId', 'resourceGroup', 'account'])('keeps %s one segment', field => {
    const url = deploymentUrl({ ...settings, [field]: 'a/../b?c#d' }, 'd1')
    expect(url.origin).toBe('https://management.azure.com')
    expect(url.pathname.split('/')).toHaveLength(11)
    expect([...url.searchParams]).toEqual([['api-version', '2024-10-01']])
  })

  it.each([
    ['https://management.azure.com/subscriptions/s', undefined, true],
    ['https://management.azure.com.evil.com/subscriptions/s', undefined, false],
    ['http://management.azure.com/subscriptions/s', undefined, false],
    [`${RESOURCE}/subscriptions/s`, undefined, false],
    ['https://gate.example/arm/subscriptions/s', 'https://gate.example/arm', true],
    ['https://gate.example/east/openai/v1/files', 'https://gate.example/arm', false],
    ['https://gate.example/armoury/subscriptions/s', 'https://gate.example/arm', false],
  ])('%s is its own (armUrl %s): %s', (url, armUrl, expected) => {
    expect(isArm({ armUrl }, new URL(url))).toBe(expected)
  })
})
