import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { follow } from '../../examples/lib/follow.ts'

/** A gateway in a function: `polls[n]` is what the n-th look at the job finds; later looks find the last. */
function clientOf(polls: { status: string; events: number }[]): OpenAI {
  let look = -1
  const fetch = async (input: string | URL | Request): Promise<Response> => {
    const url = new URL(input instanceof Request ? input.url : input)
    if (!url.pathname.endsWith('/events')) look++
    const poll = polls[Math.min(look, polls.length - 1)] ?? { status: 'running', events: 0 }
    if (!url.pathname.endsWith('/events')) return Response.json({ id: 'ftjob-1', status: poll.status })

    const newestFirst = Array.from({ length: poll.events }, (_, index) => ({ id: `e${poll.events - index}` }))
    const after = url.searchParams.get('after')
    const start = after ? newestFirst.findIndex(event => event.id === after) + 1 : 0
    const data = newestFirst.slice(start, start + 100)
    return Response.json({ object: 'list', data, has_more: start + 100 < poll.events })
  }
  return new OpenAI({ baseURL: 'http://gateway.invalid/v1', apiKey: 'k', fetch, maxRetries: 0 })
}

async function idsOf(client: OpenAI, options: Parameters<typeof follow>[2]): Promise<string[]> {
  const ids: string[] = []
  for await (const events of follow(client, 'ftjob-1', options)) ids.push(...events.map(event => event.id))
  return ids
}

const upTo = (count: number): string[] => Array.from({ length: count }, (_, index) => `e${index + 1}`)

describe('follow', () => {
  it('yields every event once, oldest first, over pages and polls', async () => {
    const client = clientOf([
      { status: 'queued', events: 0 },
      { status: 'running', events: 3 },
      { status: 'running', events: 3 },
      { status: 'running', events: 350 },
      { status: 'succeeded', events: 351 },
    ])
    expect(await idsOf(client, { pollMs: 0 })).toEqual(upTo(351))
  })

  it.each(['succeeded', 'failed', 'cancelled'])('ends when the job has %s', async status => {
    expect(await idsOf(clientOf([{ status, events: 2 }]), { pollMs: 0 })).toEqual(upTo(2))
  })

  it('gives up on a job that does nothing', async () => {
    const client = clientOf([{ status: 'running', events: 1 }])
    await expect(idsOf(client, { pollMs: 5, patienceMs: 50 })).rejects.toThrow(
      'the job is running and has been silent',
    )
  })
})
