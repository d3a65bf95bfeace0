/**
 * The Queue on SQS. A deployment without one waits for the schedule, which finds all work by itself.
 * @module
 */
import type { Environment, Queue } from '../ports.ts'
import type { AwsClient } from './client.ts'

/** Seconds; SQS delays no longer. What comes too early is not due yet, and is found by the schedule when it is. */
const LONGEST_DELAY = 900

export const createSqsQueue = (client: AwsClient, environment: Environment): Queue => ({
  async enqueue(task, delaySeconds = 0) {
    const QueueUrl = environment.get('TUNEGATE_QUEUE_URL')
    if (QueueUrl === undefined) return
    // Sent twice when an answer is lost: that is what at least once means.
    await client.call('sqs', 'SendMessage', {
      QueueUrl,
      MessageBody: JSON.stringify(task),
      DelaySeconds: Math.min(LONGEST_DELAY, Math.max(0, Math.ceil(delaySeconds))),
    })
  },
})
