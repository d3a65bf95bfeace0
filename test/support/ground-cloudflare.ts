/** D1 and R2, inside workerd. */
import { env } from 'cloudflare:workers'
import { inject } from 'vitest'
import { type Bindings, createCloudflarePlatform } from '../../shared/platform/cloudflare/index.ts'
import type { Ground } from './ground.ts'

export const bindings = env as unknown as Required<Pick<Bindings, 'BUCKET'>> & Bindings

export const ground: Ground = {
  sandboxOrigin: await (await fetch(inject('sandboxes'))).text(),
  createPlatform: variables =>
    createCloudflarePlatform({ DB: bindings.DB, BUCKET: bindings.BUCKET, ...variables }, () => undefined),
  async records(kind) {
    const { results } = await bindings.DB.prepare('SELECT body FROM records WHERE kind = coalesce(?1, kind)')
      .bind(kind ?? null)
      .all<{ body: string }>()
    return results.map(({ body }) => JSON.parse(body))
  },
  async forget(kind) {
    await bindings.DB.prepare('DELETE FROM records WHERE kind = coalesce(?1, kind)')
      .bind(kind ?? null)
      .run()
  },
  keys: async () => (await bindings.BUCKET.list()).objects.map(({ key }) => key),
}
