/**
 * The Queue on Cloudflare Queues. A deployment without one waits for the schedule, which finds all work by itself.
 * @module
 */
import type { Queue as QueueBinding } from '@cloudflare/workers-types'
import type { Queue, Task } from '../ports.ts'

export const createCloudflareQueue = (binding: QueueBinding<Task> | undefined): Queue => ({
  async enqueue(task, delaySeconds = 0) {
    await binding?.send(task, { delaySeconds })
  },
})
