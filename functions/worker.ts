/** Cloudflare's entry. */
import { waitUntil } from 'cloudflare:workers'
import { type Bindings, createCloudflarePlatform } from '../shared/platform/cloudflare/index.ts'
import type { Platform, Task } from '../shared/platform/index.ts'
import config from '../tunegate.config.ts'
import { createApp } from './app.ts'
import { tick } from './schedule.ts'
import { runTask } from './tasks.ts'

const app = createApp(config)

/** One platform for each set of bindings: an isolate keeps its own for as long as it lives. */
const platforms = new WeakMap<Bindings, Platform>()
const platformOf = (bindings: Bindings): Platform => {
  const platform = platforms.get(bindings) ?? createCloudflarePlatform(bindings, waitUntil)
  platforms.set(bindings, platform)
  return platform
}

/** What the consumer needs of a batch of messages. */
interface Batch {
  readonly messages: readonly { readonly body: Task; ack(): void; retry(): void }[]
}

// biome-ignore lint/style/noDefaultExport: a Worker is its default export
export default {
  fetch: (request: Request, bindings: Bindings) => app.fetch(request, { platform: platformOf(bindings) }),
  scheduled: (_: unknown, bindings: Bindings) => tick(app.background(platformOf(bindings))),
  async queue({ messages }: Batch, bindings: Bindings) {
    const context = app.background(platformOf(bindings))
    // At once: one that waits for a slow receiver must not keep the others waiting.
    await Promise.all(
      messages.map(async message =>
        (await runTask(context, message.body)) ? message.ack() : message.retry(),
      ),
    )
  },
}
