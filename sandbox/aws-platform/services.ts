/**
 * The services of AWS that the gateway keeps its things in, at one address: DynamoDB by dynalite, SQS by fauxqs, Secrets Manager,
 * Parameter Store and STS. None of these engines checks who is calling: that is done here, before they see a request.
 * @module
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import dynalite from 'dynalite'
import { startFauxqs } from 'fauxqs'
import { Hono } from 'hono'
import { REGION } from '../aws/account.ts'
import { refusalOf } from '../aws/authentication.ts'
import { rawRequest } from '../aws/raw-request.ts'
import { sha256 } from '../aws/sigv4.ts'
import { assumeRole } from './sts.ts'
import { tableNamed } from './table.ts'
import { type Answer, getParameter, getSecretValue, type Vaults } from './vaults.ts'

export interface AwsServices extends AsyncDisposable {
  /** Of all services alike. */
  origin: string
  table: string
  queueUrl: string
  deadQueueUrl: string
  vaults: Vaults
  /** A call of dynalite or fauxqs, past the check of signatures. */
  direct(target: string, body: object, signal?: AbortSignal): Promise<unknown>
  /** Records that are in the table, by kind. */
  records(): Record<string, number>
  /** Removes all records of a kind; of all kinds unless one is named. */
  forget(kind?: string): Promise<void>
  /** Requests to come, of one action, that go wrong. */
  fault(fault: ServiceFault): void
  clearFaults(): void
  close(): Promise<void>
}

export interface ServiceFault {
  /** E.g. `UpdateItem`. */
  action: string
  /** `lost`: it has its effect and nobody is told. `broken`: an error 500 in its place. `throttled`: refused for now. */
  kind: 'lost' | 'broken' | 'throttled' | 'lost-500'
  /** How many of them; 1 unless given. */
  times?: number
  /** How many come through before. */
  after?: number
}

/** How the services are told apart, and what they sign as. */
const SIGNED_AS: Record<string, string> = {
  DynamoDB_20120810: 'dynamodb',
  AmazonSQS: 'sqs',
  secretsmanager: 'secretsmanager',
  AmazonSSM: 'ssm',
}

/** Receives until a message has failed, as the deployment's queue does. */
const MOST_RECEIVES = 5

const listening = async (server: Server): Promise<string> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The key of the item that a call writes. */
const itemIn = (body: Uint8Array): string => {
  const call = JSON.parse(new TextDecoder().decode(body)) as { Key?: { pk?: { S?: string } } }
  return call.Key?.pk?.S ?? ''
}

const isFor = (fault: ServiceFault, action: string): boolean => {
  if (fault.action !== action) return false
  if ((fault.after ?? 0) === 0) return true
  fault.after = (fault.after ?? 0) - 1
  return false
}

export async function startAwsServices(): Promise<AwsServices> {
  const database = dynalite({ createTableMs: 0 })
  const databaseOrigin = await listening(database)
  const queues = await startFauxqs({ port: 0, logger: false, host: '127.0.0.1', defaultRegion: REGION })
  const vaults: Vaults = { secrets: new Map(), deleted: new Set(), parameters: new Map() }
  const faults: ServiceFault[] = []
  /** The keys of all items, followed as they are written: the engine can only be asked for them by and by. */
  const items = new Set<string>()

  const backend = (target: string) =>
    target.startsWith('DynamoDB') ? databaseOrigin : `http://127.0.0.1:${queues.port}`
  const pass = (
    target: string,
    body: string | Uint8Array<ArrayBuffer>,
    signal?: AbortSignal,
  ): Promise<Response> =>
    fetch(backend(target), {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': target,
        'x-amz-date': '20260101T000000Z',
        // They look whether there is one, and not what it says.
        authorization: `AWS4-HMAC-SHA256 Credential=x/20260101/${REGION}/x/aws4_request, SignedHeaders=host, Signature=x`,
      },
      body,
      ...(signal && { signal }),
    })
  const direct: AwsServices['direct'] = async (target, body, signal) => {
    const response = await pass(target, JSON.stringify(body), signal)
    const text = await response.text()
    if (!response.ok) throw new Error(`${target} answered ${response.status}: ${text.slice(0, 500)}`)
    return JSON.parse(text || '{}')
  }

  const app = new Hono<{ Bindings: HttpBindings }>()
  app.post('/', async context => {
    const request = await rawRequest(context)
    const target = context.req.header('x-amz-target')
    if (target === undefined) return assumeRole(new URLSearchParams(new TextDecoder().decode(request.body)))
    const [prefix = '', action = ''] = target.split('.')
    const service = SIGNED_AS[prefix]
    if (service === undefined)
      return context.json({ __type: 'UnknownOperationException', message: target }, 400)
    const refused = refusalOf(
      request,
      { service, encodePath: 'twice', apiKeys: false, payloadHash: ({ body }) => sha256(body) },
      Date.now(),
    )
    if (refused)
      return context.json(
        { __type: 'com.amazon.coral.service#InvalidSignatureException', message: refused.reason },
        400,
      )
    const fault = faults.find(each => isFor(each, action))
    if (fault) {
      fault.times = (fault.times ?? 1) - 1
      if (fault.times <= 0) faults.splice(faults.indexOf(fault), 1)
    }
    if (fault?.kind === 'broken') return context.json({ __type: 'InternalServerError', message: '' }, 500)
    if (fault?.kind === 'throttled')
      return context.json(
        { __type: 'com.amazonaws.dynamodb.v20120810#ThrottlingException', message: '' },
        400,
      )
    const local: Record<string, (vaults: Vaults, request: unknown) => Answer> = {
      'secretsmanager.GetSecretValue': getSecretValue,
      'AmazonSSM.GetParameter': getParameter,
    }
    const answer = local[target]
    if (answer) {
      const { status, body } = answer(vaults, JSON.parse(new TextDecoder().decode(request.body)))
      return context.json(body, status as 200)
    }
    const response = await pass(target, request.body)
    const bytes = await response.arrayBuffer()
    if (response.ok && action === 'UpdateItem') items.add(itemIn(request.body))
    if (response.ok && action === 'DeleteItem') items.delete(itemIn(request.body))
    if (fault?.kind === 'lost') {
      context.env.incoming.socket.destroy()
      return new Response(null)
    }
    if (fault?.kind === 'lost-500') return context.json({ __type: 'InternalServerError', message: '' }, 500)
    return new Response(bytes, {
      status: response.status,
      headers: { 'content-type': response.headers.get('content-type') ?? 'application/x-amz-json-1.0' },
    })
  })
  const front = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }))
  const origin = await listening(front)

  const table = 'tunegate'
  await direct('DynamoDB_20120810.CreateTable', tableNamed(table))
  const dead = queues.createQueue('tunegate-tasks-dead')
  const { queueUrl } = queues.createQueue('tunegate-tasks', {
    attributes: {
      VisibilityTimeout: '10',
      RedrivePolicy: JSON.stringify({
        deadLetterTargetArn: dead.queueArn,
        maxReceiveCount: String(MOST_RECEIVES),
      }),
    },
  })

  const close = async (): Promise<void> => {
    front.close()
    front.closeAllConnections()
    await queues.stop()
    database.closeAllConnections()
    await new Promise(resolve => database.close(resolve))
  }
  return {
    origin,
    table,
    queueUrl,
    deadQueueUrl: dead.queueUrl,
    vaults,
    direct,
    records: () => {
      const counts: Record<string, number> = {}
      for (const item of [...items].sort()) {
        const kind = item.split('#')[0] ?? ''
        counts[kind] = (counts[kind] ?? 0) + 1
      }
      return counts
    },
    async forget(kind) {
      for (const item of items) {
        if (kind !== undefined && !item.startsWith(`${kind}#`)) continue
        await direct('DynamoDB_20120810.DeleteItem', { TableName: table, Key: { pk: { S: item } } })
        items.delete(item)
      }
    },
    fault: fault => faults.push(fault),
    clearFaults: () => void faults.splice(0),
    close,
    [Symbol.asyncDispose]: close,
  }
}
