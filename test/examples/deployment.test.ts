import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deploy, takeDown } from '../../examples/lib/deployment.ts'

/** What the gateway answers, in order; a number is an error of that status. */
let answers: (object | number)[]
let asked: string[]
let account: { baseURL: string; apiKey: string }

const server = createServer(({ method, url, headers }, response) => {
  asked.push(`${method} ${url} ${headers.authorization}`)
  const answer = answers.shift() ?? 500
  response.writeHead(typeof answer === 'number' ? answer : 200).end(JSON.stringify(answer))
})

beforeEach(async () => {
  asked = []
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  account = { baseURL: `http://127.0.0.1:${port}/v1`, apiKey: 'k' }
})
afterEach(() => new Promise(resolve => server.close(resolve)))

const state = (status: string, error: string | null = null) => ({ model: 'm', status, error })

describe('deploy', () => {
  it('asks once and looks until it is ready', async () => {
    answers = [state('deploying'), state('deploying'), state('ready')]
    const seen: string[] = []
    const onLook = ({ status }: { status: string }) => seen.push(status)
    expect(await deploy(account, 'j', { pollMs: 1, onLook })).toEqual(state('ready'))
    expect(seen).toEqual(['deploying', 'deploying', 'ready'])
    expect(asked).toEqual([
      'POST /v1/fine_tuning/jobs/j/deploy Bearer k',
      'GET /v1/fine_tuning/jobs/j/deployment Bearer k',
      'GET /v1/fine_tuning/jobs/j/deployment Bearer k',
    ])
  })

  it.each([
    { given: [state('failed', 'no quota')], says: 'failed: no quota' },
    { given: [state('deploying'), state('none')], says: 'none: no reason given' },
    { given: [400], says: 'POST …/j/deploy answered 400' },
  ])('fails when it is told $says', async ({ given, says }) => {
    answers = given
    await expect(deploy(account, 'j', { pollMs: 1 })).rejects.toThrow(says)
  })

  it('does not wait for ever', async () => {
    answers = [state('deploying'), state('deploying')]
    await expect(deploy(account, 'j', { pollMs: 1, patienceMs: -1 })).rejects.toThrow('still deploying')
  })
})

describe('takeDown', () => {
  it('makes sure that nothing is left', async () => {
    answers = [{ deleted: true }, state('none')]
    await takeDown(account, 'j')
    expect(asked.map(each => each.split(' ')[0])).toEqual(['DELETE', 'GET'])
  })

  it.each([
    [{ deleted: true }, state('ready')],
    [{ deleted: false }, state('none')],
  ])('does not believe %j and %j', async (...given) => {
    answers = given
    await expect(takeDown(account, 'j')).rejects.toThrow('still there')
  })
})
