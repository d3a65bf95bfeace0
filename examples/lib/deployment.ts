/**
 * Deploys a job's model, where the provider wants that before the model answers. Deployments are no part of OpenAI's
 * API, so these calls go beside the official client: with its address and its key, by plain `fetch`.
 *
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type OpenAI from 'openai'

/** The part of the gateway's answer that is of interest here. */
export interface Deployment {
  /** What chats name as their model. */
  model: string
  status: 'none' | 'deploying' | 'ready' | 'failed'
  error: string | null
}

type Account = Pick<OpenAI, 'baseURL' | 'apiKey'>

/** Asks for the deployment and waits until it is ready; `onLook` hears of each state on the way. */
export async function deploy(
  account: Account,
  jobId: string,
  { pollMs = 200, patienceMs = 60_000, onLook = (_now: Deployment): void => {} } = {},
): Promise<Deployment> {
  const deadline = Date.now() + patienceMs
  let now = await call<Deployment>(account, 'POST', `${jobId}/deploy`)
  onLook(now)
  while (now.status === 'deploying') {
    if (Date.now() > deadline) throw new Error(`still deploying after ${Math.round(patienceMs / 1000)} s`)
    await sleep(pollMs)
    now = await call<Deployment>(account, 'GET', `${jobId}/deployment`)
    onLook(now)
  }
  if (now.status === 'ready') return now
  throw new Error(`the deployment is ${now.status}: ${now.error ?? 'no reason given'}`)
}

/** Takes the deployment down and makes sure that it is gone. The model stays. */
export async function takeDown(account: Account, jobId: string): Promise<void> {
  const { deleted } = await call<{ deleted?: boolean }>(account, 'DELETE', `${jobId}/deployment`)
  const { status } = await call<Deployment>(account, 'GET', `${jobId}/deployment`)
  if (!deleted || status !== 'none') throw new Error(`the deployment is still there (${status})`)
}

async function call<T>({ baseURL, apiKey }: Account, method: string, path: string): Promise<T> {
  const response = await fetch(`${baseURL}/fine_tuning/jobs/${path}`, {
    method,
    headers: { authorization: `Bearer ${apiKey}` },
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} …/${path} answered ${response.status}: ${text.slice(0, 500)}`)
  return JSON.parse(text) as T
}
