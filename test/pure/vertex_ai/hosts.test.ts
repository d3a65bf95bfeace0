import { describe, expect, it } from 'vitest'
import {
  aiplatformUrl,
  hostOf,
  parseResource,
  placeOf,
  resourceName,
  servingLocation,
  storageUrl,
} from '../../../shared/providers/vertex_ai/hosts.ts'
import { targetOf, waysOf } from '../../../shared/providers/vertex_ai/targets.ts'
import { SETTINGS } from './support/channel.ts'

/** As @google/genai 3.1.0 has them. */
it.each([
  ['us-central1', 'us-central1-aiplatform.googleapis.com'],
  ['europe-west4', 'europe-west4-aiplatform.googleapis.com'],
  ['us', 'aiplatform.us.rep.googleapis.com'],
  ['eu', 'aiplatform.eu.rep.googleapis.com'],
  ['global', 'aiplatform.googleapis.com'],
])('%s is at %s', (location, host) => expect(hostOf(location)).toBe(host))

it.each([
  ['us-central1', 'us'],
  ['europe-west4', 'eu'],
  ['global', 'global'],
  ['asia-east1', 'asia-east1'],
  ['us', 'us'],
  ['constructor', 'constructor'],
])('what was tuned in %s is served from %s', (location, served) =>
  expect(servingLocation(location)).toBe(served),
)

describe('no name becomes another host or path', () => {
  it.each(['evil.com#', 'evil.com/', 'a.b', 'x@evil.com', 'US', '', 'us_1', '../v1'])(
    'location %j',
    location => {
      expect(() => placeOf({ ...SETTINGS, location })).toThrow(/vertex_location/)
    },
  )
  it.each(['a/b', 'a?b', 'p:q', 'a b', '..'])('project %j', project => {
    expect(() => placeOf({ ...SETTINGS, project })).toThrow(/vertex_project/)
  })
  it('ids are encoded', () => {
    const url = aiplatformUrl(SETTINGS, { project: 'p', location: 'us' }, ['endpoints', 'a/../b?c#d'], {
      verb: 'predict',
    })
    expect(url.href).toBe(
      'https://aiplatform.us.rep.googleapis.com/v1beta1/projects/p/locations/us/endpoints/a%2F..%2Fb%3Fc%23d:predict',
    )
  })
  it('a location of an endpoint is checked as well', () => {
    expect(() => aiplatformUrl(SETTINGS, { project: 'p', location: 'evil.com/' }, [])).toThrow(
      /vertex_location/,
    )
  })
  it('objects are encoded whole', () => {
    expect(storageUrl(SETTINGS, 'objects', 'bucket', 'tenants/t1/train file.jsonl').href).toBe(
      'https://storage.googleapis.com/storage/v1/b/bucket/o/tenants%2Ft1%2Ftrain%20file.jsonl',
    )
  })
})

it('keeps to the hosts of the configuration', () => {
  const own = {
    ...SETTINGS,
    aiplatformUrl: 'https://psc.example/google/',
    storageUrl: 'https://psc.example/gcs',
  }
  expect(aiplatformUrl(own, placeOf(own), ['tuningJobs']).href).toBe(
    'https://psc.example/google/v1beta1/projects/proj-x/locations/us-central1/tuningJobs',
  )
  expect(storageUrl(own, 'upload', 'b', undefined, { name: 'x' }).href).toBe(
    'https://psc.example/gcs/upload/storage/v1/b/b/o?name=x',
  )
})

it('takes the project from the key file when none is named', () => {
  const key = { type: 'service_account', client_email: 'a@b', private_key: 'k', project_id: 'from-key' }
  const settings = { ...SETTINGS, project: undefined, credentials: JSON.stringify(key) }
  expect(placeOf(settings).project).toBe('from-key')
  expect(() => placeOf({ ...settings, credentials: '{' })).toThrow(/not JSON/)
  expect(() => placeOf({ location: 'us' })).toThrow(/VERTEX_PROJECT/)
})

it.each(['projects/1/locations/us-central1/endpoints/2', 'projects/p-1/locations/eu/models/3@1'])(
  '%s is read and written the same',
  name => {
    const resource = parseResource(name)
    expect(resource && resourceName(resource)).toBe(name)
  },
)
it.each(['', 'gemini-3.5-flash', 'projects/p/locations/l/other/1', 'projects/p/locations/l/models/a/b'])(
  '%j is no resource',
  name => expect(parseResource(name)).toBeUndefined(),
)

describe('what a model name means', () => {
  const endpoints = JSON.stringify({ 9001: 'predict', 9002: 'raw', 9003: 'chat', 9004: 'generate' })
  const target = (model: string, isTune?: boolean) =>
    targetOf(
      { ...SETTINGS, endpoints },
      { body: { model, messages: [] }, ...(isTune !== undefined && { isTune }) },
    )
  const speaker = (project: string, location: string, ...segments: string[]) => ({
    way: 'generate',
    speaker: { place: { project, location }, segments },
  })
  const model = (name: string, location = 'us') =>
    speaker('proj-x', location, 'publishers', 'google', 'models', name)

  it.each([
    ['gemini-3.5-flash', model('gemini-3.5-flash')],
    ['google/gemini-3.5-flash', model('gemini-3.5-flash')],
    ['publishers/google/models/gemini-3.1-flash-lite', model('gemini-3.1-flash-lite')],
    ['gemini-2.5-flash', model('gemini-2.5-flash', 'us-central1')],
    ['endpoints/9004', speaker('proj-x', 'us', 'endpoints', '9004')],
    [
      'endpoints/9001',
      { way: 'predict', endpoint: { project: 'proj-x', location: 'us-central1', id: '9001' } },
    ],
    [
      'p2/us-east1/endpoints/9002',
      { way: 'raw', endpoint: { project: 'p2', location: 'us-east1', id: '9002' } },
    ],
    [
      'projects/p2/locations/us-east1/endpoints/9003',
      { way: 'chat', endpoint: { project: 'p2', location: 'us-east1', id: '9003' } },
    ],
  ])('%s', (name, expected) => expect(target(name)).toEqual(expected))

  it("a job's own tune is called as Gemini, and no one else's by its number", () => {
    const name = 'projects/12/locations/europe-west4/endpoints/77'
    expect(target(name, true)).toEqual(speaker('12', 'eu', 'endpoints', '77'))
    expect(() => target(name, false)).toThrow(/'77'/)
    expect(() => target(name)).toThrow(/'77'/)
  })

  it('an endpoint of which nothing is known is not guessed at', () => {
    for (const name of ['endpoints/1', 'p2/us-east1/endpoints/1', 'endpoints/constructor'])
      expect(() => target(name)).toThrow(/VERTEX_ENDPOINTS/)
    expect(() => target('projects/12/locations/us/endpoints/1', false)).toThrow(/VERTEX_ENDPOINTS/)
    expect(target('endpoints/1', true)).toMatchObject({ way: 'generate' })
  })
  it.each(['projects/p/locations/l/models/1', 'publishers/meta/models/llama', 'a b', '../x'])(
    '%s is nothing to chat with',
    name => expect(() => target(name)).toThrow(/neither/),
  )
  it.each(['{', '[]', '{"1":"guess"}', '"predict"'])('endpoints %s are refused', value => {
    expect(() => waysOf({ endpoints: value })).toThrow(/VERTEX_ENDPOINTS/)
  })
})
