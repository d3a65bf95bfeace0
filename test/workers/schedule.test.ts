/** The schedule beside a real store: what it costs to find what is due. */
import { expect, it } from 'vitest'
import { bindings } from '../support/ground-cloudflare.ts'
import { measureTick } from '../support/tick-reads.ts'

it('a tick reads what is due, however much is stored', async () => {
  const few = await measureTick(bindings.DB, { stored: 100, due: 20 })
  await bindings.DB.prepare('DELETE FROM records').run()
  const many = await measureTick(bindings.DB, { stored: 3000, due: 20 })
  expect(few.asked).toBe(20)
  expect(many.asked).toBe(20)
  expect(many.rows).toBe(few.rows)
  await bindings.DB.prepare('DELETE FROM records').run()
  const more = await measureTick(bindings.DB, { stored: 3000, due: 40 })
  expect(more.rows).toBeGreaterThan(many.rows)
})
