import { describe, expect, it } from 'vitest'
import { toRequest } from '../../../shared/providers/bedrock/chat/request.ts'
import {
  baseOf,
  objectUrl,
  parseS3Uri,
  type Service,
  urlOf,
} from '../../../shared/providers/bedrock/hosts.ts'
import { bedrock } from '../../../shared/providers/bedrock/index.ts'
import { errorOf, SETTINGS } from './support.ts'

describe('hosts (Portkey 7: amazonaws.com hard-coded)', () => {
  it.each([
    ['us-east-1', 'bedrock', 'https://bedrock.us-east-1.amazonaws.com/'],
    ['us-west-2', 'runtime', 'https://bedrock-runtime.us-west-2.amazonaws.com/'],
    ['eu-central-1', 's3', 'https://s3.eu-central-1.amazonaws.com/'],
    ['us-gov-west-1', 'runtime', 'https://bedrock-runtime.us-gov-west-1.amazonaws.com/'],
    ['cn-north-1', 'bedrock', 'https://bedrock.cn-north-1.amazonaws.com.cn/'],
    ['cn-northwest-1', 's3', 'https://s3.cn-northwest-1.amazonaws.com.cn/'],
  ] as [string, Service, string][])('%s %s', (region, service, url) => {
    expect(baseOf({ region }, service).href).toBe(url)
  })

  it.each([
    ['bedrockUrl', 'bedrock'],
    ['runtimeUrl', 'runtime'],
    ['s3Url', 's3'],
  ] as const)('%s takes its place', (setting, service) => {
    expect(baseOf({ region: 'x', [setting]: 'http://127.0.0.1:1/aws' }, service).href).toBe(
      'http://127.0.0.1:1/aws',
    )
  })
})

describe('an id is one segment of a path (LiteLLM 9: unencoded ARNs)', () => {
  it.each([
    ['amazon.nova-lite-v1:0', 'amazon.nova-lite-v1%3A0'],
    ['us.amazon.nova-lite-v1:0', 'us.amazon.nova-lite-v1%3A0'],
    [
      'arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/abc',
      'arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Acustom-model-deployment%2Fabc',
    ],
    ['a/../../b', 'a%2F..%2F..%2Fb'],
    ['x?y#z', 'x%3Fy%23z'],
    ["it's (1)!", 'it%27s%20%281%29%21'],
    ['é', '%C3%A9'],
  ])('%s', (id, segment) => {
    const body = { model: id, messages: [{ role: 'user', content: 'hi' }] }
    const { url } = toRequest(SETTINGS, { text: '', body, dropParams: false }).outgoing
    expect(url.href).toBe(`https://bedrock-runtime.us-east-1.amazonaws.com/model/${segment}/converse`)
  })

  it.each(['.', '..', ''])('%j is none', async id => {
    expect(await errorOf(() => urlOf(SETTINGS, 'bedrock', ['custom-models', id]))).toMatchObject({
      status: 400,
    })
  })
})

describe('objects', () => {
  it.each([
    ['bucket', 'a/b.jsonl', 'https://bucket.s3.us-east-1.amazonaws.com/a/b.jsonl'],
    ['my.bucket', 'a', 'https://s3.us-east-1.amazonaws.com/my.bucket/a'],
    ['bucket', 'a b+c/é?#.jsonl', 'https://bucket.s3.us-east-1.amazonaws.com/a%20b%2Bc/%C3%A9%3F%23.jsonl'],
    ['bucket', 'a//b', 'https://bucket.s3.us-east-1.amazonaws.com/a//b'],
    ['bucket', '', 'https://bucket.s3.us-east-1.amazonaws.com/'],
  ])('%s %s', (bucket, key, href) => {
    expect(objectUrl(SETTINGS, { bucket, key }).href).toBe(href)
  })

  it.each([
    ['evil.example#', 'k'],
    ['evil.example/', 'k'],
    ['UPPER', 'k'],
    ['a..b', 'k'],
    ['bucket', '../other/k'],
    ['bucket', 'a/./k'],
  ])('no place: %s %s', async (bucket, key) => {
    expect(await errorOf(() => objectUrl(SETTINGS, { bucket, key }))).toMatchObject({ status: 400 })
  })

  it.each([
    ['s3://bucket/a/b.jsonl', { bucket: 'bucket', key: 'a/b.jsonl' }],
    ['s3://bucket/a b?c', { bucket: 'bucket', key: 'a b?c' }],
    ['s3://bucket/', undefined],
    ['s3://bucket', undefined],
    ['s3://b/../k', undefined],
    ['s3://bucket/../other/k', undefined],
    ['s3://evil.example#/k', undefined],
    ['gs://bucket/k', undefined],
    ['https://bucket/k', undefined],
  ])('%s', (uri, location) => {
    expect(parseS3Uri(uri)).toEqual(location)
  })
})

describe('a connection', () => {
  it.each([
    [{}, 'accessKeyId'],
    [{ region: 'us-east-1' }, 'accessKeyId'],
    [{ accessKeyId: 'a' }, 'secretAccessKey'],
    [{ accessKeyId: 'a', secretAccessKey: 's' }, 'region'],
    [{ accessKeyId: 'a', apiKey: 'k', region: 'us-east-1' }, 'secretAccessKey'],
    [{ accessKeyId: 'a', secretAccessKey: 's', region: 'us-east-1' }, undefined],
    [{ apiKey: 'k', region: 'us-east-1' }, undefined],
  ])('with %j lacks %s', (settings, field) => {
    expect(bedrock.missing(settings)).toBe(field)
  })

  it('gives a request that brings keys of its own neither role, bucket nor units', () => {
    const kinds = Object.entries(bedrock.fields).map(([name, { kind }]) => [name, kind])
    expect(Object.fromEntries(kinds)).toMatchObject({
      accessKeyId: 'credential',
      secretAccessKey: 'credential',
      sessionToken: 'credential',
      apiKey: 'credential',
      roleArn: 'account',
      bucket: 'account',
      provisionedUnits: 'account',
      region: 'place',
    })
  })
})
