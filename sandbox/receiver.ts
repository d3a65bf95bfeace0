/** `/_sandbox/hooks/:name`: a customer's server. It keeps what is sent to it, and answers as it is told. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Hono } from 'hono'

export interface Received {
  headers: Record<string, string>
  /** To the byte: signatures are over it. */
  body: string
}

export interface ReceiverAnswer {
  status: number
  headers?: Record<string, string>
  /** Milliseconds before it. */
  delayMs?: number
}

const USUAL: ReceiverAnswer = { status: 204 }

export class Receiver {
  readonly app: Hono
  readonly #origin: () => string
  readonly #received = new Map<string, Received[]>()
  readonly #answers = new Map<string, ReceiverAnswer[]>()

  constructor(origin: () => string) {
    this.#origin = origin
    this.app = new Hono()
      .post('/:name', async ({ req }) => {
        const name = req.param('name')
        this.#received.set(name, [...this.received(name), { headers: req.header(), body: await req.text() }])
        const { status, headers, delayMs } = this.#answers.get(name)?.shift() ?? USUAL
        if (delayMs !== undefined) await sleep(delayMs)
        return new Response(null, { status, ...(headers && { headers }) })
      })
      .get('/:name', context => context.json(this.received(context.req.param('name'))))
  }

  /** Where messages under this name are to be sent. */
  url(name: string): string {
    return `${this.#origin()}/_sandbox/hooks/${name}`
  }

  received(name: string): Received[] {
    return this.#received.get(name) ?? []
  }

  /** What the next messages are answered with, one after the other; then all is well again. */
  answer(name: string, ...answers: ReceiverAnswer[]): void {
    this.#answers.set(name, answers)
  }
}
