/**
 * The least gateway there can be: it reads the body for the model's name, calls with a key of its own, reads the answer whole
 * under a time limit, and gives it under headers of its own. No key is checked, no name looked up, no fault told. In the
 * gateway's place (`--floor`) it shows what part of the distance to the bare Worker is the platform's.
 *
 * @module
 */
interface Env {
  UPSTREAM: string
}

const LIMIT_MS = 600_000
const headers = { 'content-type': 'application/json', authorization: 'Bearer sk-bench' }

// biome-ignore lint/style/noDefaultExport: workerd takes a Worker's handlers from the default export
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url)
    const body = await request.text()
    const { model } = JSON.parse(body) as { model?: unknown }
    if (typeof model !== 'string') return new Response('no model', { status: 400 })
    const limit = Promise.withResolvers<never>()
    const timeout = setTimeout(limit.reject, LIMIT_MS)
    const call = async () => {
      const answer = await fetch(env.UPSTREAM + pathname, {
        method: 'POST',
        headers,
        body,
        redirect: 'manual',
      })
      const type = answer.headers.get('content-type') ?? ''
      const own = { 'content-type': type, 'x-request-id': 'req_floor' }
      return new Response(await answer.arrayBuffer(), { headers: own })
    }
    const response = await Promise.race([call(), limit.promise])
    clearTimeout(timeout)
    return response
  },
}
