/**
 * Federated identities at Google in the bundle that is deployed: google-auth-library loads in it, and all it asks for goes
 * through the transport, which lets nothing but the sandbox be reached.
 */
import type OpenAI from 'openai'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { RecordedRequest } from '../../sandbox/server.ts'
import { itIsJudged, useBench } from './support/bench.ts'
import { datasetFile, isOver, jobWhen } from './support/data.ts'

const bench = useBench({
  config: 'test/e2e/support/configured.config.ts',
  vars: ({ google }) => {
    const oidc = google.externalAccount()
    const aws = {
      ...oidc,
      audience: oidc.audience.replace('sandbox-oidc', 'sandbox-aws'),
      subject_token_type: 'urn:ietf:params:aws:token-type:aws4_request',
      credential_source: { environment_id: 'aws1' },
    }
    const stranger = { ...oidc, audience: oidc.audience.replace('sandbox-oidc', 'elsewhere') }
    return {
      GOOGLE_APPLICATION_CREDENTIALS_JSON: JSON.stringify(oidc),
      AWS_FEDERATION: JSON.stringify(aws),
      OTHER_FEDERATION: JSON.stringify(stranger),
    }
  },
})

let client: OpenAI
beforeAll(async () => {
  client = await bench.client()
})
let sent: () => RecordedRequest[]
beforeEach(() => {
  sent = bench.watch()
})

/** What was asked of token endpoints, in order. */
const tokenCalls = () =>
  sent()
    .map(({ path }) => path.replace('/google/', ''))
    .filter(path => /^(oidc|sts|iamcredentials|oauth2)\//.test(path))
    .map(path => path.replace(/serviceAccounts\/.+:/, 'serviceAccounts/…:'))

const IMPERSONATION = 'iamcredentials/v1/projects/-/serviceAccounts/…:generateAccessToken'
const MESSAGES = [{ role: 'user' as const, content: 'please help me with my refund' }]

describe('a federated identity', () => {
  it('trains and chats, with one token for all of it', async () => {
    const file = await client.files.create({ file: datasetFile(60), purpose: 'fine-tune' })
    const { id } = await client.fineTuning.jobs.create({
      model: 'gemini-3.5-flash',
      training_file: file.id,
      ...({ provider: 'vertex_ai' } as object),
    })
    const job = await jobWhen(client, id, isOver)
    expect(job).toMatchObject({ status: 'succeeded' })
    const model = job.fine_tuned_model ?? ''
    const answer = await client.chat.completions.create({ model, messages: MESSAGES })
    expect(answer.choices[0]?.message.content).toEqual(expect.any(String))
    const stream = await client.chat.completions.create({ model, messages: MESSAGES, stream: true })
    let finish: string | null = null
    for await (const chunk of stream) finish = chunk.choices[0]?.finish_reason ?? finish
    expect(finish).toBe('stop')
    expect(tokenCalls()).toEqual(['oidc/token', 'sts/v1/token', IMPERSONATION])
  })

  it('of AWS is shown by the connection’s own keys', async () => {
    const model = 'federated-aws/gemini-3.5-flash'
    const answer = await client.chat.completions.create({ model, messages: MESSAGES })
    expect(answer.choices[0]?.message.content).toEqual(expect.any(String))
    expect(tokenCalls()).toEqual(['sts/v1/token', IMPERSONATION])
  })

  it('that Google does not know is refused, naming the setting and nothing secret', async () => {
    const model = 'federated-elsewhere/gemini-3.5-flash'
    const refused = await client.chat.completions.create({ model, messages: MESSAGES }).catch(error => error)
    expect(refused).toMatchObject({ status: 401, code: 'provider_authentication_failed' })
    expect(refused.message).toContain('GOOGLE_APPLICATION_CREDENTIALS_JSON')
    expect(refused.message).not.toContain('sandbox-oidc-request')
    expect(bench.stack.output()).not.toContain('sandbox-oidc-request')
  })
})

itIsJudged(bench)
