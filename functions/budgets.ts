/** `/v1/budgets`: an owner's own, or, with the admin key, everyone's. */
import { Hono } from 'hono'
import { budgetRequest, budgetsQuery, budgetUpdate, endedList } from '../shared/openai/index.ts'
import { createBudget, deleteBudget, getBudget, listBudgets, updateBudget } from '../shared/spending/index.ts'
import { type AppEnv, json, jsonOnly, managerOf, query } from './http.ts'
import { once } from './idempotency.ts'

export const budgets = new Hono<AppEnv>()
  .post('/', jsonOnly, json(budgetRequest), once(), async c =>
    c.json(await createBudget(c.var.context, managerOf(c.var.owner), c.req.valid('json'))),
  )
  .get('/', query(budgetsQuery), async c => {
    const { items, hasMore } = await listBudgets(c.var.context, managerOf(c.var.owner), c.req.valid('query'))
    return c.json(endedList(items, hasMore))
  })
  .get('/:id', async c => c.json(await getBudget(c.var.context, managerOf(c.var.owner), c.req.param('id'))))
  .post('/:id', jsonOnly, json(budgetUpdate), async c =>
    c.json(await updateBudget(c.var.context, managerOf(c.var.owner), c.req.param('id'), c.req.valid('json'))),
  )
  .delete('/:id', async c => {
    const id = c.req.param('id')
    await deleteBudget(c.var.context, managerOf(c.var.owner), id)
    return c.json({ id, object: 'tunegate.budget' as const, deleted: true })
  })
