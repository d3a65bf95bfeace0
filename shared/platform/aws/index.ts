/**
 * The ports on AWS Lambda: DynamoDB, S3, SQS, Secrets Manager and Parameter Store.
 * @module
 */
import { plainChunks } from '../chunks.ts'
import { createIds } from '../ids.ts'
import type { Clock, Environment, Platform } from '../ports.ts'
import { createS3Bucket } from '../s3-bucket.ts'
import { readBucketSettings } from './bucket.ts'
import { createAwsClient } from './client.ts'
import { createConnections } from './connections.ts'
import { createCredentials } from './credentials.ts'
import { needed } from './endpoints.ts'
import { createSqsQueue } from './queue.ts'
import { createAwsSecrets } from './secrets.ts'
import { createDynamoStore } from './store.ts'
import { fetchOutside, relay, sizedBody } from './streams.ts'

export interface AwsPlatform extends Platform {
  /** An invocation begins: the process may have been frozen since the last one. */
  begun(): void
  /** Waits for all work that goes on after an answer: Lambda freezes the process when the invocation ends. */
  settled(): Promise<void>
}

const clock: Clock = { now: () => Date.now(), sleep: ms => new Promise(resolve => setTimeout(resolve, ms)) }

const environmentOf = (variables: Readonly<Record<string, string | undefined>>): Environment => ({
  get: name => variables[name] || undefined,
})

/** @param variables read anew at each use */
export const createAwsPlatform = (
  variables: Readonly<Record<string, string | undefined>> = process.env,
): AwsPlatform => {
  const environment = environmentOf(variables)
  const credentials = createCredentials({ environment, fetch: fetchOutside, clock })
  const client = createAwsClient({ environment, credentials, fetch: fetchOutside, clock })
  const secrets = createAwsSecrets(client, environment, clock)
  const bucket = createS3Bucket({
    settings: () => readBucketSettings(environment, secrets, credentials),
    fetch: fetchOutside,
    clock,
  })
  const deferred = new Set<Promise<unknown>>()
  const connections = createConnections(clock)
  return {
    store: createDynamoStore({ client, bucket, clock, table: () => needed(environment, 'TUNEGATE_TABLE') }),
    bucket,
    queue: createSqsQueue(client, environment),
    secrets,
    environment,
    clock,
    ids: createIds(clock),
    fetch: fetchOutside,
    endsCallsWithRequest: false,
    hearsClientsLeave: false,
    sizedBody,
    relay,
    chunks: plainChunks,
    defer(work) {
      const settled = work.catch(() => undefined).finally(() => deferred.delete(settled))
      deferred.add(settled)
    },
    begun: connections.resume,
    async settled() {
      while (deferred.size > 0) await Promise.all(deferred)
      connections.rest()
    },
  }
}
