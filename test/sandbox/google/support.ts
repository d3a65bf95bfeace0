/** What the tests of Google's wire share: a server, the official clients on it, and the bank's customers as Gemini lines. */
import { GoogleGenAI, type JobState, type TuningJob } from '@google/genai'
import { type Bucket, Storage } from '@google-cloud/storage'
import { gaxios, JWT } from 'google-auth-library'
import { importPKCS8, type JWTPayload, SignJWT } from 'jose'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import { type Sandbox, startSandbox } from '../../../sandbox/server.ts'
import { jsonl, type Sample, samples } from '../support.ts'

export const CLOUD_PLATFORM = 'https://www.googleapis.com/auth/cloud-platform'
export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const GOOGLE_TOKEN_URL = 'https://oauth2.googleapis.com/token'

export interface Answer {
  status: number
  headers: Headers
  text: string
  json: unknown
}

export interface Google {
  sandbox: Sandbox
  /** `@google/genai` in a location; v1beta1 is what it speaks by itself. */
  ai(location: string, apiVersion?: 'v1' | 'v1beta1'): GoogleGenAI
  bucket: Bucket
  /** An access token, got with the service account's key. */
  token(): Promise<string>
  /** Calls a URL below `/google`, or a whole one, with a token. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  control(method: string, path: string, body?: unknown): Promise<unknown>
  pace(stepMs: number): Promise<void>
}

/** One server for a test file, forgetting everything after each test. */
export function useGoogle(): Google {
  let started: { sandbox: Sandbox; auth: JWT } | undefined
  const now = () => {
    if (!started) throw new Error('The sandbox has not started.')
    return started
  }
  const google: Google = {
    get sandbox() {
      return now().sandbox
    },
    ai(location, apiVersion) {
      const { sandbox, auth } = now()
      return new GoogleGenAI({
        vertexai: true,
        project: sandbox.google.project,
        location,
        ...(apiVersion && { apiVersion }),
        httpOptions: { baseUrl: sandbox.google.aiplatformUrl },
        googleAuthOptions: { authClient: auth as never },
      })
    },
    get bucket() {
      const { sandbox, auth } = now()
      return new Storage({
        apiEndpoint: sandbox.google.storageUrl,
        projectId: sandbox.google.project,
        authClient: auth as never,
        useAuthWithCustomEndpoint: true,
        retryOptions: { autoRetry: false },
      }).bucket(sandbox.google.bucket)
    },
    async token() {
      const { token } = await now().auth.getAccessToken()
      return token ?? expect.fail('There is no token.')
    },
    async call(method, path, body, headers = {}) {
      const url = path.startsWith('http') ? path : `${now().sandbox.origin}/google${path}`
      const isText = typeof body === 'string' || body instanceof Uint8Array || body instanceof URLSearchParams
      const response = await fetch(url, {
        method,
        headers: {
          authorization: `Bearer ${await google.token()}`,
          ...(body !== undefined && !isText && { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body !== undefined && { body: isText ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      return { status: response.status, headers: response.headers, text, json: parsed(text) }
    },
    async control(method, path, body) {
      const response = await fetch(`${now().sandbox.origin}/_sandbox${path}`, {
        method,
        headers: { 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      expect(response.ok).toBe(true)
      return parsed(await response.text())
    },
    async pace(stepMs) {
      await google.control('POST', '/settings', { stepMs })
    },
  }
  beforeAll(async () => {
    const sandbox = await startSandbox()
    started = { sandbox, auth: serviceAccountClient(sandbox) }
  })
  afterEach(async () => {
    google.sandbox.reset()
    await google.pace(0)
  })
  afterAll(() => google.sandbox.close())
  return google
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The library asks Google's own host for tokens, whatever the key file says: that one address is turned to the sandbox. */
export function transporterTo({ google }: Sandbox): gaxios.Gaxios {
  const transporter = new gaxios.Gaxios()
  transporter.interceptors.request.add({
    resolved: async options => {
      if (String(options.url) === GOOGLE_TOKEN_URL) options.url = new URL(google.tokenUrl)
      return options
    },
  })
  return transporter
}

export function serviceAccountClient(sandbox: Sandbox): JWT {
  const { client_email, private_key } = sandbox.google.serviceAccount
  return new JWT({
    email: client_email,
    key: private_key,
    scopes: [CLOUD_PLATFORM],
    transporter: transporterTo(sandbox),
  })
}

/** A JWT of the service account; the changes are what is wrong with it. */
export async function signedJwt(
  { google: { serviceAccount } }: Sandbox,
  claims: JWTPayload = {},
  { key = serviceAccount.private_key, kid }: { key?: string; kid?: string } = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  return new SignJWT({
    iss: serviceAccount.client_email,
    scope: CLOUD_PLATFORM,
    aud: GOOGLE_TOKEN_URL,
    iat: now,
    exp: now + 3600,
    ...claims,
  })
    .setProtectedHeader({ alg: 'RS256', ...(kid !== undefined && { kid }) })
    .sign(await importPKCS8(key, 'RS256'))
}

export const text = (role: string, value: string) => ({ role, parts: [{ text: value }] })

export const SYSTEM = { parts: [{ text: 'Name the intent.' }] }

export const geminiLine = ({ text: said, intent }: Sample) => ({
  systemInstruction: SYSTEM,
  contents: [text('user', said), text('model', intent)],
})

/** Puts lines into the bucket. */
export async function put(
  { bucket, sandbox }: Google,
  lines: readonly unknown[] | string,
  name = 'train.jsonl',
): Promise<string> {
  const content = typeof lines === 'string' ? lines : jsonl(lines)
  await bucket.file(name).save(content, { resumable: false, contentType: 'application/jsonl' })
  return `gs://${sandbox.google.bucket}/${name}`
}

export type TuneConfig = NonNullable<Parameters<GoogleGenAI['tunings']['tune']>[0]['config']>

export interface TuneOptions {
  lines?: readonly unknown[] | string
  baseModel?: string
  region?: string
  config?: TuneConfig
}

/** Starts a job through the SDK. */
export async function tune(
  google: Google,
  { lines, baseModel = 'gemini-3.5-flash', region = 'us-central1', config }: TuneOptions = {},
): Promise<TuningJob> {
  const gcsUri = await put(google, lines ?? samples('train').map(geminiLine))
  return google.ai(region).tunings.tune({
    baseModel,
    trainingDataset: { gcsUri },
    ...(config && { config }),
  })
}

const ENDS: readonly (JobState | string | undefined)[] = [
  'JOB_STATE_SUCCEEDED',
  'JOB_STATE_FAILED',
  'JOB_STATE_CANCELLED',
]

/** Polls until the job is as wanted. */
export async function jobWhen(
  google: Google,
  { name = '' }: TuningJob,
  wanted: (job: TuningJob) => boolean,
): Promise<TuningJob> {
  for (;;) {
    const job = await google.ai('us-central1').tunings.get({ name })
    if (wanted(job)) return job
    if (ENDS.includes(job.state))
      throw new Error(`The job ended as ${job.state}: ${JSON.stringify(job.error)}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

export const jobEnd = (google: Google, job: TuningJob): Promise<TuningJob> =>
  jobWhen(google, job, ({ state }) => ENDS.includes(state))

export async function tuned(google: Google, options: TuneOptions = {}): Promise<TuningJob> {
  const job = await jobEnd(google, await tune(google, options))
  if (job.state !== 'JOB_STATE_SUCCEEDED') throw new Error(`No model: ${JSON.stringify(job.error)}`)
  return job
}

/** The tuned endpoint's name at the multi-region that serves it. */
export function servingName({ tunedModel }: Pick<TuningJob, 'tunedModel'>): string {
  const endpoint = tunedModel?.endpoint ?? expect.fail('There is no endpoint.')
  return endpoint
    .replace('locations/us-central1', 'locations/us')
    .replace('locations/europe-west4', 'locations/eu')
}

export async function ask(google: Google, model: string, question: string): Promise<string | undefined> {
  const { text: answer } = await google.ai('us').models.generateContent({
    model,
    contents: question,
    config: { systemInstruction: 'Name the intent.' },
  })
  return answer
}

/** Share of the held-out sentences that the model names right. */
export async function accuracyOf(google: Google, model: string): Promise<number> {
  const answers = await Promise.all(
    samples('heldOut').map(async sample => (await ask(google, model, sample.text)) === sample.intent),
  )
  return answers.filter(Boolean).length / answers.length
}

/** The message of the error that a call must end in, with its status in front. */
export async function refusal(call: PromiseLike<unknown>): Promise<string> {
  try {
    await call
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const status = 'status' in error ? error.status : 'code' in error ? error.code : '?'
    return `${status} ${error.message}`
  }
  return expect.fail('The call was not refused.')
}
