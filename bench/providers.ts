/**
 * What a provider's own wire costs beside OpenAI's, which the gateway passes through byte for byte: authorisation and
 * mapping of plain answers with warm caches, and the translation of streams.
 *
 * Both sides are the same gateway in the same workerd, asked for another provider's model.
 *
 * @module
 */
import { generateKeyPairSync } from 'node:crypto'
import type { Bed, BedOptions } from './boot.ts'
import { type Comparison, chatRequest, compare, type Load, type Pairs, pairs, spread } from './load.ts'
import type { Row } from './report.ts'
import { scriptText, tokenCalls } from './upstream.ts'

const EVENTS = 512
/** Events in one write of an upstream that coalesces, which is also what a slow reader sees of any other. */
const BATCH = 32
const CONNECTIONS = 16

const GEMINI = 'vertex_ai/gemini-3.5-flash'
const NOVA = 'bedrock/amazon.nova-lite-v1:0'

/** An account at each provider, all of them at the upstream. */
function accounts(origin: string): Record<string, string> {
  return {
    VERTEX_PROJECT: 'bench-project',
    VERTEX_AIPLATFORM_URL: `${origin}/google`,
    AWS_ACCESS_KEY_ID: 'AKIABENCHBENCHBENCH1',
    AWS_SECRET_ACCESS_KEY: 'bench-secret',
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL_BEDROCK_RUNTIME: `${origin}/aws`,
  }
}

function serviceAccount(origin: string): string {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return JSON.stringify({
    type: 'service_account',
    client_email: 'bench@bench-project.iam.gserviceaccount.com',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    token_uri: `${origin}/google/token`,
  })
}

/** The gateway asked for a model, and in the place of the bare Worker the gateway asked for OpenAI's. */
function beside(bed: Bed, model: string, load: Omit<Load, 'request'>, rounds: number, stop?: string) {
  const streamed = stop === undefined ? {} : ({ stream: true, stop } as const)
  const request: Load['request'] = subject =>
    chatRequest(subject, subject.name === 'gateway' ? { model, ...streamed } : streamed)
  return pairs({ ...bed, bare: { ...bed.gateway, name: 'bare' } }, { ...load, request }, rounds)
}

function row(name: string, unit: string, { gateway, bare, ratio }: Comparison): Row {
  const beside = 'openai through the same gateway, byte for byte'
  return { section: 'providers', name, unit, gateway, bare, beside, by: 'ratio', compared: ratio }
}

/** CPU of something that a round counts; nothing on a system that does not tell it. */
function cpu(bed: Bed, measured: Pairs, name: string, counted: 'requests' | 'events'): Row[] {
  if (bed.pid === null) return []
  return [
    row(
      name,
      'µs',
      compare(measured, round => ((round.cpu ?? Number.NaN) / round[counted]) * 1e6),
    ),
  ]
}

async function plain(bed: Bed, name: string, model: string, quick: boolean): Promise<Row[]> {
  const load = { connections: CONNECTIONS, milliseconds: quick ? 400 : 1000 }
  // Until V8 has optimised the code of both ways, later rounds look faster than earlier ones.
  await beside(bed, model, { ...load, milliseconds: quick ? 500 : 2000 }, 1)
  const measured = await beside(bed, model, load, quick ? 4 : 8)
  return [
    row(
      `${name}, chat`,
      'requests/s',
      compare(measured, round => round.requests / round.seconds),
    ),
    ...cpu(bed, measured, `${name}, CPU a request`, 'requests'),
  ]
}

async function streamed(bed: Bed, name: string, model: string, quick: boolean): Promise<Row[]> {
  const rows: Row[] = []
  for (const batch of [1, BATCH]) {
    const load = { connections: CONNECTIONS, milliseconds: quick ? 400 : 1000, events: true }
    const script = scriptText({ n: EVENTS, batch })
    await beside(bed, model, { ...load, milliseconds: quick ? 300 : 1000 }, 1, script)
    const measured = await beside(bed, model, load, quick ? 4 : 8, script)
    // A stream that broke off has ended with an error event, after a 200.
    const isShort = measured.gateway.some(round => round.events < round.requests * EVENTS)
    if (isShort) throw new Error(`${name} lost events`)
    const at = batch === 1 ? 'one event a write' : `${batch} events a write`
    rows.push(
      row(
        `${name}, ${at}`,
        'events/s',
        compare(measured, round => round.events / round.seconds),
      ),
      row(
        `${name}, ${at}, to the client`,
        'MB/s',
        compare(measured, round => round.bytes / 1e6 / round.seconds),
      ),
      ...cpu(bed, measured, `${name}, ${at}, CPU an event`, 'events'),
    )
  }
  return rows
}

/** Measures each provider beside OpenAI. */
export async function providers(
  start: (how: BedOptions) => Promise<Bed>,
  upstream: number,
  quick: boolean,
): Promise<Row[]> {
  const origin = `http://127.0.0.1:${upstream}`
  const ready = await start({ variables: { ...accounts(origin), VERTEX_ACCESS_TOKEN: 'bench-ready' } })
  const rows = await plain(ready, 'Vertex AI, ready token', GEMINI, quick)
  await ready.stop()
  const credentials = { GOOGLE_APPLICATION_CREDENTIALS_JSON: serviceAccount(origin) }
  const bed = await start({ variables: { ...accounts(origin), ...credentials } })
  rows.push(
    ...(await plain(bed, 'Vertex AI, service account', GEMINI, quick)),
    ...(await plain(bed, 'Bedrock, Signature V4', NOVA, quick)),
    ...(await streamed(bed, 'Gemini’s stream', GEMINI, quick)),
    ...(await streamed(bed, 'Converse’s stream', NOVA, quick)),
  )
  await bed.stop()
  // The ready token asked for none and the service account, whatever was answered with it, for one.
  const calls = spread([await tokenCalls(upstream)])
  const none = spread([Number.NaN])
  rows.push({
    ...row('token calls in all of the above', 'calls', {
      gateway: calls,
      bare: none,
      ratio: calls,
      difference: calls,
    }),
    by: 'itself',
    goal: { most: 1 },
  })
  return rows
}
