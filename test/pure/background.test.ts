import { describe, expect, it } from 'vitest'
import { runTask } from '../../functions/tasks.ts'
import { collection, dueEntry, listDue } from '../../shared/platform/index.ts'
import { startBench } from './support/context.ts'
import { memoryStore } from './support/memory.ts'

interface Chore {
  id: string
  due_at: number | null
}
const CHORES = collection<Chore, 'due'>('chore', ({ id }) => id, {
  due: { slot: 'b', entry: ({ id, due_at }) => dueEntry(due_at, id) },
})

describe('what is due', () => {
  it('is listed longest overdue first, and nothing else is read', async () => {
    const store = memoryStore()
    const chores: [string, number | null][] = [
      ['later', 1_800_000_101],
      ['now', 1_800_000_100],
      ['overdue', 999],
      ['never', null],
    ]
    for (const [id, due_at] of chores) await CHORES.create(store, { id, due_at })
    const ids = async (limit: number) =>
      (await listDue(store, CHORES, 1_800_000_100, limit)).map(({ id }) => id)
    expect(await ids(10)).toEqual(['overdue', 'now'])
    expect(await ids(1)).toEqual(['overdue'])
    await CHORES.update(store, 'overdue', chore => ({ ...chore, due_at: null }))
    expect(await ids(10)).toEqual(['now'])
  })
})

describe('a task', () => {
  it('of a kind that this version does not know is done with', async () => {
    const { context } = startBench(() => new Response())
    expect(await runTask(context, { type: 'of the future', id: '1' })).toBe(true)
    expect(await runTask(context, { type: 'constructor', id: '1' })).toBe(true)
  })
})
