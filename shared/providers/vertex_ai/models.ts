/** Models: Gemini's tunable ones by the capability table; a tuned one is deleted with its endpoints. */
import * as z from 'zod'
import { badRequest } from '../../openai/index.ts'
import { type Channel, type Provider, ProviderFault } from '../provider.ts'
import { capabilities } from './capabilities.ts'
import { aiplatformUrl, parseResource, type Resource } from './hosts.ts'

const operation = z.object({ name: z.string(), done: z.boolean().optional() })
const endpoint = z.object({
  deployedModels: z.array(z.object({ id: z.string(), model: z.string() })).default([]),
})
const model = z.object({ deployedModels: z.array(z.object({ endpoint: z.string() })).default([]) })

const POLL_MS = 1000
/** Longest a deletion is waited for: minutes at most, as Google's operations go. */
const MOST_POLLS = 120

const urlOf = ({ settings }: Channel, resource: Resource, verb?: string) =>
  aiplatformUrl(settings, resource, [resource.collection, resource.id], verb === undefined ? {} : { verb })

const read = <T extends z.ZodType>(channel: Channel, schema: T, resource: Resource) =>
  channel.read(schema, { method: 'GET', url: urlOf(channel, resource), repeat: 'always' })

/** Waits until an operation is over. Its place is that of what it is done to. */
const finish = async (channel: Channel, { name, done }: z.infer<typeof operation>): Promise<void> => {
  const id = parseResource(name.replace(/^(projects\/[^/]+\/locations\/[^/]+)\/.*(\/operations\/)/, '$1$2'))
  if (!id) return
  for (let polls = 0, over = done ?? false; !over && polls < MOST_POLLS; polls++) {
    over = (await read(channel, operation, id)).done ?? false
    if (!over) await channel.sleep(POLL_MS)
  }
}

const isGone = (error: unknown) => error instanceof ProviderFault && error.status === 404
const unlessGone = async (work: Promise<void>): Promise<void> => {
  await work.catch((error: unknown) => {
    if (!isGone(error)) throw error
  })
}

const deleteResource = async (channel: Channel, resource: Resource): Promise<void> =>
  finish(
    channel,
    await channel.read(operation, { method: 'DELETE', url: urlOf(channel, resource), repeat: 'always' }),
  )

/** An endpoint holds on to its models: they are taken off first. */
const deleteEndpoint = async (channel: Channel, resource: Resource): Promise<void> => {
  const { deployedModels } = await read(channel, endpoint, resource)
  for (const { id } of deployedModels) {
    const undeployed = await channel.read(operation, {
      method: 'POST',
      url: urlOf(channel, resource, 'undeployModel'),
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ deployedModelId: id }),
      repeat: 'always',
    })
    await finish(channel, undeployed)
  }
  await deleteResource(channel, resource)
}

/** A model, its endpoints and those of its checkpoints before it. */
const deleteModel = async (channel: Channel, resource: Resource): Promise<void> => {
  const { deployedModels } = await read(channel, model, resource)
  const endpoints = new Set(deployedModels.map(deployed => deployed.endpoint))
  for (const name of endpoints) {
    const each = parseResource(name)
    if (each) await unlessGone(deleteEndpoint(channel, each))
  }
  await deleteResource(channel, { ...resource, id: resource.id.replace(/@.*$/, '') })
}

const DAY_LISTED = Date.parse(capabilities.asOf) / 1000

export const models: Provider['models'] = {
  async list(channel) {
    const today = new Date(channel.now()).toISOString().slice(0, 10)
    return capabilities.models
      .filter(({ servedUntil }) => servedUntil === null || today < servedUntil)
      .flatMap(({ names: [id] }) =>
        id === undefined ? [] : [{ id, object: 'model' as const, created: DAY_LISTED, owned_by: 'google' }],
      )
  },
  async delete(channel, name) {
    const resource = parseResource(name)
    if (resource?.collection === 'models') return deleteModel(channel, resource)
    if (resource?.collection !== 'endpoints')
      throw badRequest('model', `'${name}' is neither a tuned model nor its endpoint.`)
    const { deployedModels } = await read(channel, endpoint, resource)
    const behind = parseResource(deployedModels[0]?.model ?? '')
    if (!behind) return deleteEndpoint(channel, resource)
    // The weights are what is to be gone: an endpoint alone leaves them.
    await deleteModel(channel, behind)
    await unlessGone(deleteEndpoint(channel, resource))
  },
  baseOf: name => name.replace(/^(projects\/[^/]+\/locations\/[^/]+\/)?publishers\/[^/]+\/models\//, ''),
  isTuned: name => {
    const collection = parseResource(name)?.collection
    return collection === 'endpoints' || collection === 'models'
  },
}
