/**
 * Webhooks: endpoints at the sandbox's receiver, what has come to them, and what the gateway says of their deliveries.
 * @module
 */
import OpenAI from 'openai'
import type { Received } from '../../../sandbox/receiver.ts'
import { type Bench, until } from './bench.ts'

export const ENDS = [
  'fine_tuning.job.succeeded',
  'fine_tuning.job.failed',
  'fine_tuning.job.cancelled',
] as const

interface Delivery {
  id: string
  status: string
  attempts: { status_code: number | null; error: string | null }[]
}

/** As a receiver would read it. */
export const unwrapped = ({ body, headers }: Received, secret: string) =>
  new OpenAI({ apiKey: 'none' }).webhooks.unwrap(body, headers, secret)

export const useHooks = (bench: Bench) => {
  const receiver = () => bench.stack.sandbox.receiver
  const deliveries = async (key: string, path: string): Promise<Delivery[]> => {
    const { json } = await bench.raw(`${path}/deliveries`, { key })
    return (json as { data: Delivery[] }).data
  }
  let names = 0

  return {
    receiver,
    deliveries,
    deliveriesOf: ({ key, id }: { key: string; id: string }) =>
      deliveries(key, `/v1/webhook_endpoints/${id}`),
    /** Waits until so many messages have come. */
    heard: (name: string, count = 1): Promise<Received[]> =>
      until(
        async () => {
          await bench.stack.tick()
          return receiver().received(name)
        },
        received => received.length >= count,
        100,
      ),
    /** An endpoint of a new owner's, at a name of its own on the receiver. */
    async endpoint(event_types: (typeof ENDS)[number][] = [...ENDS]) {
      const { client, key } = await bench.owner()
      const name = `hook-${names++}`
      const made = await client.webhooks.create({ name, url: receiver().url(name), event_types })
      return { ...made, client, key, secret: made.signing_secret }
    },
  }
}
