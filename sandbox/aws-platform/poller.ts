/**
 * What stands between a queue and its function: takes messages in batches, calls, and deletes those that were done.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
 * @module
 */
import type { LambdaFunction } from './function.ts'
import type { AwsServices } from './services.ts'

interface Message {
  MessageId: string
  ReceiptHandle: string
  Body: string
  Attributes?: Record<string, string>
}

/** Messages in a batch, and seconds that a look waits for some. */
const BATCH = 10
const WAIT_SECONDS = 1

const isList = (value: unknown): value is unknown[] => Array.isArray(value)

/** The messages that are to come again; undefined: all of them. */
const failuresIn = (answer: unknown): Set<string> | undefined => {
  if (answer === null) return new Set()
  const failures = typeof answer === 'object' ? Reflect.get(answer, 'batchItemFailures') : undefined
  if (!isList(failures)) return undefined
  const ids = failures.map(each =>
    typeof each === 'object' && each !== null ? Reflect.get(each, 'itemIdentifier') : undefined,
  )
  // One that is named wrongly makes all of them fail.
  return ids.every(id => typeof id === 'string' && id !== '') ? new Set(ids as string[]) : undefined
}

/** Serves a queue until it is stopped. */
export const pollQueue = (
  { direct, queueUrl }: AwsServices,
  lambda: LambdaFunction,
): { stop(): Promise<void> } => {
  const stopping = new AbortController()
  const { signal } = stopping
  const serve = async (messages: Message[]): Promise<void> => {
    const outcome = await lambda.invoke({
      Records: messages.map(({ MessageId, ReceiptHandle, Body, Attributes }) => ({
        messageId: MessageId,
        receiptHandle: ReceiptHandle,
        body: Body,
        attributes: Attributes ?? {},
        messageAttributes: {},
        eventSource: 'aws:sqs',
        eventSourceARN: 'arn:aws:sqs:us-east-1:123456789012:tunegate-tasks',
        awsRegion: 'us-east-1',
      })),
    })
    const failed = outcome.kind === 'whole' ? failuresIn(JSON.parse(outcome.body.toString())) : undefined
    if (!failed) return
    for (const { MessageId, ReceiptHandle } of messages)
      if (!failed.has(MessageId))
        await direct('AmazonSQS.DeleteMessage', { QueueUrl: queueUrl, ReceiptHandle })
  }
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const look = { QueueUrl: queueUrl, MaxNumberOfMessages: BATCH, WaitTimeSeconds: WAIT_SECONDS }
      const answer = (await direct('AmazonSQS.ReceiveMessage', look, signal)) as { Messages?: Message[] }
      if (answer.Messages?.length && !signal.aborted) await serve(answer.Messages)
    }
  }
  const ended = run().catch(error => {
    if (!signal.aborted) throw error
  })
  return {
    async stop() {
      stopping.abort()
      await ended.catch(() => undefined)
    },
  }
}
