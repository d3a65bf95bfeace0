/** Endpoints, deliveries and a network of canned answers. */
import type { Context } from '../../../shared/context.ts'
import type { WebhookEventType } from '../../../shared/openai/index.ts'
import { createEndpoint, emit } from '../../../shared/webhooks/index.ts'
import { DELIVERIES, type DeliveryRecord } from '../../../shared/webhooks/records.ts'
import { type Answers, type Bench, type Sent, startBench } from '../support/context.ts'

export const OWNER = 'owner-1'
export const KEY = 'k'.repeat(32)
export const SUCCEEDED: WebhookEventType = 'fine_tuning.job.succeeded'

export interface HookBench extends Bench {
  /** An endpoint of the owner's at a host of its own. */
  endpoint(host?: string, types?: WebhookEventType[]): Promise<{ id: string; secret: string }>
  /** Something happens to a job. */
  happen(subject?: string, type?: WebhookEventType): Promise<void>
  /** Every delivery there is, oldest first. */
  deliveries(): Promise<DeliveryRecord[]>
  /** The only delivery. */
  delivery(): Promise<DeliveryRecord>
  pass(seconds: number): void
}

export const startHooks = (answers: Answers = () => new Response(null, { status: 204 })): HookBench => {
  const bench = startBench(answers)
  const { context, platform } = bench
  platform.variables.TUNEGATE_ENCRYPTION_KEY = KEY
  const deliveries = async () => {
    const rows = [...new Set(platform.tasks.map(({ id }) => id))]
    const found = await Promise.all(rows.map(id => DELIVERIES.get(platform.store, id)))
    return found.flatMap(row => (row ? [row.value] : []))
  }
  return {
    ...bench,
    async endpoint(host = 'hooks.example.com', types = [SUCCEEDED]) {
      const request = { name: host, url: `https://${host}/in`, event_types: types }
      const { id, signing_secret } = await createEndpoint(context, OWNER, request)
      return { id, secret: signing_secret }
    },
    happen: (subject = 'ftjob-1', type = SUCCEEDED) => happen(context, subject, type),
    deliveries,
    async delivery() {
      const [only, ...others] = await deliveries()
      if (!only || others.length > 0) throw new Error(`${others.length + (only ? 1 : 0)} deliveries`)
      return only
    },
    pass(seconds) {
      platform.clock.time += seconds * 1000
    },
  }
}

const happen = (context: Context, subject: string, type: WebhookEventType) =>
  emit(context, OWNER, { type, subject, at: 1_790_000_000, data: { id: subject } })

/** The host a message went to. */
export const hostOf = ({ url }: Sent): string => new URL(url).hostname
