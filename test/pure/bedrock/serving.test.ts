import { describe, expect, it } from 'vitest'
import { deployments, toStatus } from '../../../shared/providers/bedrock/deployments.ts'
import { toFault } from '../../../shared/providers/bedrock/faults.ts'
import { bedrock } from '../../../shared/providers/bedrock/index.ts'
import { models } from '../../../shared/providers/bedrock/models.ts'
import type { NativeJob } from '../../../shared/providers/provider.ts'
import { utf8 } from '../support/bytes.ts'
import { channelTo, errorOf, type Reply, SETTINGS } from './support.ts'

const ACCOUNT = 'arn:aws:bedrock:us-east-1:123456789012'
const tuneOf = (base: string) => `${ACCOUNT}:custom-model/${base}/abc`
const jobOf = (base: string) => ({ fineTunedModel: tuneOf(base) }) as NativeJob
const NOVA = 'amazon.nova-lite-v1:0:300k'
const HAIKU = 'anthropic.claude-3-haiku-20240307-v1:0:200k'
const ON_DEMAND = `${ACCOUNT}:custom-model-deployment/d`
const PROVISIONED = `${ACCOUNT}:provisioned-model/p`
const error = (status: number, name: string, message = 'so it is'): Reply => ({
  status,
  headers: { 'x-amzn-errortype': `${name}:http://internal.amazon.com/` },
  body: { message },
})

describe('a deployment', () => {
  it.each([
    ['Creating', 'deploying'],
    ['Active', 'ready'],
    ['InService', 'ready'],
    ['Updating', 'ready'],
    ['Failed', 'failed'],
    ['SomethingNew', 'deploying'],
  ])('%s is %s', (native, status) => {
    expect(toStatus(native)).toBe(status)
  })

  it.each([
    [NOVA, undefined, '/model-customization/custom-model-deployments'],
    [NOVA, '2', '/model-customization/custom-model-deployments'],
    ['meta.llama3-3-70b-instruct-v1:0:128k', undefined, '/model-customization/custom-model-deployments'],
    [HAIKU, '2', '/provisioned-model-throughput'],
    ['new.model-v1:0', undefined, '/model-customization/custom-model-deployments'],
    ['new.model-v1:0', '1', '/provisioned-model-throughput'],
  ])('of a tune of %s with %s units goes to %s', async (base, provisionedUnits, path) => {
    const reply = { body: { customModelDeploymentArn: ON_DEMAND, provisionedModelArn: PROVISIONED } }
    const { channel, sent } = channelTo([reply], { ...SETTINGS, provisionedUnits })
    const made = await deployments.create(channel, jobOf(base), 'ftjob-1')
    expect(sent[0]?.url.pathname).toBe(path)
    expect(made).toMatchObject({ status: 'deploying', model: made.id })
    expect(JSON.parse(String(sent[0]?.body))).toEqual(
      path.startsWith('/prov')
        ? {
            modelUnits: Number(provisionedUnits),
            provisionedModelName: 'ftjob-1',
            modelId: tuneOf(base),
            clientRequestToken: 'ftjob-1',
          }
        : { modelDeploymentName: 'ftjob-1', modelArn: tuneOf(base), clientRequestToken: 'ftjob-1' },
    )
  })

  it.each([
    ['meta.llama3-1-8b-instruct-v1:0:128k', undefined],
    [HAIKU, undefined],
    [HAIKU, 'many'],
    [HAIKU, '0'],
    [HAIKU, '1.5'],
  ])('of a tune of %s with %s units is refused, naming the setting', async (base, provisionedUnits) => {
    const { channel, sent } = channelTo([], { ...SETTINGS, provisionedUnits })
    const refused = await errorOf(() => deployments.create(channel, jobOf(base), 'n'))
    expect(refused).toMatchObject({ status: 400, code: 'connection_unconfigured', param: 'provisionedUnits' })
    expect(refused.message).toContain('BEDROCK_PROVISIONED_UNITS')
    expect(sent).toEqual([])
  })

  it('made before under the same name is the one, if it serves the same model', async () => {
    const there = { body: { customModelDeploymentArn: ON_DEMAND, modelArn: tuneOf(NOVA), status: 'Active' } }
    const { channel } = channelTo([error(400, 'ConflictException'), there])
    expect(await deployments.create(channel, jobOf(NOVA), 'n')).toMatchObject({
      id: ON_DEMAND,
      status: 'ready',
    })
    const other = { body: { ...there.body, modelArn: tuneOf('x') } }
    const again = channelTo([error(400, 'ConflictException'), other])
    expect(await errorOf(() => deployments.create(again.channel, jobOf(NOVA), 'n'))).toMatchObject({
      nativeCode: 'ConflictException',
    })
  })

  it.each([
    [ON_DEMAND, '/model-customization/custom-model-deployments/'],
    [PROVISIONED, '/provisioned-model-throughput/'],
  ])('%s is asked for, and deleted, where it is', async (id, path) => {
    const { channel, sent } = channelTo([{ body: { status: 'Failed', failureMessage: 'no capacity' } }, {}])
    expect(await deployments.get(channel, id)).toMatchObject({ status: 'failed', error: 'no capacity' })
    await deployments.delete(channel, id)
    expect(sent.map(({ method, url }) => [method, url.pathname])).toEqual([
      ['GET', path + encodeURIComponent(id)],
      ['DELETE', path + encodeURIComponent(id)],
    ])
  })

  it('that is gone is deleted', async () => {
    const gone = error(404, 'ResourceNotFoundException')
    const { channel } = channelTo([gone, gone, error(403, 'AccessDeniedException')])
    expect(await deployments.get(channel, ON_DEMAND)).toMatchObject({ status: 'deleted' })
    await deployments.delete(channel, ON_DEMAND)
    await errorOf(() => deployments.delete(channel, ON_DEMAND))
  })
})

describe('models', () => {
  it('are the base models that answer with text', async () => {
    const { channel, sent } = channelTo([
      { body: { modelSummaries: [{ modelId: 'amazon.nova-lite-v1:0', providerName: 'Amazon' }] } },
    ])
    expect(await models.list(channel)).toEqual([
      { id: 'amazon.nova-lite-v1:0', object: 'model', created: 0, owned_by: 'Amazon' },
    ])
    expect(sent[0]?.url.href).toBe(
      'https://bedrock.us-east-1.amazonaws.com/foundation-models?byOutputModality=TEXT',
    )
  })

  it.each([
    [tuneOf(NOVA), '/custom-models/'],
    [`${ACCOUNT}:imported-model/i`, '/imported-models/'],
  ])('%s is deleted', async (name, path) => {
    const { channel, sent } = channelTo([{}])
    await models.delete(channel, name)
    expect(sent[0]).toMatchObject({ method: 'DELETE', url: { pathname: path + encodeURIComponent(name) } })
  })

  it.each(['amazon.nova-lite-v1:0', ON_DEMAND, '../jobs'])('%s is not', async name => {
    const { channel, sent } = channelTo([])
    expect(await errorOf(() => models.delete(channel, name))).toMatchObject({ status: 400, param: 'model' })
    expect(sent).toEqual([])
  })

  it.each([
    [tuneOf(NOVA), true],
    [ON_DEMAND, true],
    [PROVISIONED, true],
    [`${ACCOUNT}:imported-model/i`, true],
    ['arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:custom-model/x/y', true],
    ['arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0', false],
    [`${ACCOUNT}:inference-profile/us.amazon.nova-lite-v1:0`, false],
    ['amazon.nova-lite-v1:0', false],
    ['arn:aws:s3:::bucket/custom-model/x', false],
  ])('%s is a tune: %s', (name, isTuned) => {
    expect(models.isTuned(name)).toBe(isTuned)
  })

  it('of jobs are called by a name of the gateway’s (Portkey 13: the model resource told as the model)', () => {
    expect(bedrock.tuneNames).toBe('gateway')
  })
})

describe('a fault', () => {
  const faultOf = (status: number, body: string, headers: Record<string, string> = {}) =>
    toFault({ status, headers: new Headers(headers), bytes: utf8(body) })

  it.each([
    [429, 'ThrottlingException', 'rate_limit_exceeded', true],
    [429, 'ModelNotReadyException', 'model_not_available', true],
    [400, 'ServiceQuotaExceededException', 'insufficient_quota', true],
    [400, 'ValidationException', null, true],
    [400, 'TooManyTagsException', null, true],
    [403, 'AccessDeniedException', null, true],
    // Our own earlier attempt may hold the name: it is looked up.
    [400, 'ConflictException', null, false],
    [408, 'ModelTimeoutException', 'provider_timeout', false],
    [424, 'ModelErrorException', 'server_error', false],
    [500, 'InternalServerException', 'server_error', false],
    [503, 'ServiceUnavailableException', 'server_is_overloaded', false],
    [500, 'NeverHeardOf', null, false],
  ])('%i %s', (status, name, code, refused) => {
    const { headers, body } = error(status, name)
    expect(faultOf(status, JSON.stringify(body), headers)).toMatchObject({
      status,
      code,
      refused,
      nativeCode: name,
    })
  })

  it.each([
    [
      403,
      'UnrecognizedClientException',
      'The security token included in the request is invalid.',
      'accessKeyId',
    ],
    [
      403,
      'InvalidSignatureException',
      'The request signature we calculated does not match',
      'secretAccessKey',
    ],
    [403, 'InvalidSignatureException', 'Credential should be scoped to a valid region.', 'region'],
    [403, 'ExpiredTokenException', 'The security token included in the request is expired', 'sessionToken'],
    [
      403,
      'AccessDeniedException',
      'Authentication failed: Please make sure your API Key is valid.',
      'apiKey',
    ],
  ])('%i %s “%s” is of %s', (status, name, message, param) => {
    const { headers, body } = error(status, name, message)
    expect(faultOf(status, JSON.stringify(body), headers)).toMatchObject({
      status: 401,
      param,
      nativeCode: name,
      message: undefined,
      refused: true,
    })
  })

  it.each([
    [403, 'InvalidAccessKeyId', 'accessKeyId'],
    [403, 'SignatureDoesNotMatch', 'secretAccessKey'],
    [400, 'ExpiredToken', 'sessionToken'],
    [400, 'InvalidToken', 'sessionToken'],
    [400, 'AuthorizationHeaderMalformed', 'region'],
  ])('S3: %i %s is of %s, and nothing it repeats is told', (status, name, param) => {
    const body = `<Error><Code>${name}</Code><Message>m</Message><AWSAccessKeyId>AKIASECRET</AWSAccessKeyId><StringToSign>AKIASECRET</StringToSign></Error>`
    const fault = faultOf(status, body)
    expect(fault).toMatchObject({ status: 401, param, nativeCode: name })
    expect(JSON.stringify(fault)).not.toContain('AKIASECRET')
  })

  it('S3: 400 RequestTimeout, of a connection it found idle, is no refusal', () => {
    expect(faultOf(400, '<Error><Code>RequestTimeout</Code></Error>')).toMatchObject({
      status: 408,
      code: 'provider_timeout',
      nativeCode: 'RequestTimeout',
      refused: false,
    })
  })

  it.each([
    ['ValidationException', 'Input is too long for requested model.', 'context_length_exceeded'],
    ['ValidationException', 'The provided model identifier is invalid.', 'model_not_found'],
    [
      'ValidationException',
      'Invocation of model ID x with on-demand throughput isn’t supported. Retry',
      'model_not_found',
    ],
    ['ResourceNotFoundException', 'Could not find custom model deployment x.', 'model_not_found'],
    ['ResourceNotFoundException', 'Could not find model customization job x.', null],
    ['ValidationException', 'something else', null],
  ])('%s “%s” is %s', (name, message, code) => {
    const { headers, body } = error(400, name, message)
    expect(faultOf(400, JSON.stringify(body), headers).code).toBe(code)
  })

  it('is named in the body where no header has it, without its namespace', () => {
    const fault = faultOf(
      400,
      JSON.stringify({ __type: 'com.amazon.coral#ValidationException', Message: 'no' }),
    )
    expect(fault).toMatchObject({ nativeCode: 'ValidationException', message: 'no' })
  })

  it('of a model that is still being loaded says so', () => {
    const { headers, body } = error(429, 'ModelNotReadyException', 'Not ready.')
    expect(faultOf(429, JSON.stringify(body), headers).message).toMatch(/still being loaded.*Not ready/)
  })

  it.each(['', '<html>', '{"message":7}', '[]', 'null'])('can be read out of %j', body => {
    expect(faultOf(502, body)).toMatchObject({ status: 502, code: null, nativeCode: null, refused: false })
  })

  it('with a name that is no word keeps it to itself (Portkey 8: errors echo data)', () => {
    const fault = faultOf(400, JSON.stringify({ message: 'm' }), {
      'x-amzn-errortype': 'the user said: hello',
    })
    expect(fault.nativeCode).toBeNull()
  })
})
