/** Which models there are: OpenAI's own, as data, and those that jobs have made. */
import { Hono } from 'hono'
import { Ledger } from '../ledger.ts'
import type { TunedModel } from '../trainer/tuned-model.ts'
import { type Answer, answerOfKey } from './answers.ts'
import { ApiError } from './errors.ts'

export type Method = 'supervised' | 'dpo' | 'reinforcement'

export interface BaseModel {
  id: string
  alias: string
  methods: readonly Method[]
  created: number
  /** From OpenAI's announcement of 2026-10-14; the two that are already gone there stay on here. */
  shutdownDate: string | null
}

export const BASE_MODELS: readonly BaseModel[] = [
  {
    id: 'gpt-4.1-2025-04-14',
    alias: 'gpt-4.1',
    methods: ['supervised', 'dpo'],
    created: 1744315746,
    shutdownDate: '2027-01-14',
  },
  {
    id: 'gpt-4.1-mini-2025-04-14',
    alias: 'gpt-4.1-mini',
    methods: ['supervised', 'dpo'],
    created: 1744317547,
    shutdownDate: '2027-01-14',
  },
  {
    id: 'gpt-4.1-nano-2025-04-14',
    alias: 'gpt-4.1-nano',
    methods: ['supervised', 'dpo'],
    created: 1744321025,
    shutdownDate: null,
  },
  {
    id: 'gpt-4o-2024-08-06',
    alias: 'gpt-4o',
    methods: ['supervised', 'dpo'],
    created: 1722814719,
    shutdownDate: '2027-01-14',
  },
  {
    id: 'gpt-4o-mini-2024-07-18',
    alias: 'gpt-4o-mini',
    methods: ['supervised', 'dpo'],
    created: 1721172717,
    shutdownDate: '2027-01-14',
  },
  {
    id: 'o4-mini-2025-04-16',
    alias: 'o4-mini',
    methods: ['reinforcement'],
    created: 1744133506,
    shutdownDate: null,
  },
]

/** A model made by a job: the final one or a checkpoint. */
export interface FineTune {
  id: string
  created: number
  base: BaseModel
  tuned: TunedModel
  /** `tuned.answers`, parsed. */
  answers: readonly Answer[]
}

/** What a name stands for. */
export type Callable = { base: BaseModel; fineTune?: FineTune }

export class Models {
  readonly fineTunes = new Ledger<FineTune>()
  readonly #aliases: boolean

  /** @param aliases whether the undated names work */
  constructor({ aliases = true } = {}) {
    this.#aliases = aliases
  }

  add(id: string, base: BaseModel, tuned: TunedModel, created: number): void {
    this.fineTunes.add({ id, created, base, tuned, answers: tuned.answers.map(answerOfKey) })
  }

  find(name: string): Callable | undefined {
    const base = BASE_MODELS.find(({ id, alias }) => id === name || (this.#aliases && alias === name))
    if (base) return { base }
    const fineTune = this.fineTunes.get(name)
    return fineTune && { base: fineTune.base, fineTune }
  }
}

const wireBase = (id: string, { created, shutdownDate }: BaseModel) => ({
  id,
  object: 'model',
  created,
  owned_by: 'system',
  shutdown_date: shutdownDate,
})

const wireFineTune = ({ id, created, base }: FineTune) => ({
  id,
  object: 'model',
  created,
  owned_by: 'sandbox',
  shutdown_date: base.shutdownDate,
})

/** `/models` */
export function modelRoutes(models: Models): Hono {
  const missing = (name: string): ApiError =>
    new ApiError(404, `The model '${name}' does not exist`, { param: 'model', code: 'model_not_found' })

  return new Hono()
    .get('/', context =>
      context.json({
        object: 'list',
        data: [
          ...BASE_MODELS.flatMap(base => [wireBase(base.id, base), wireBase(base.alias, base)]),
          ...Array.from(models.fineTunes, wireFineTune),
        ],
      }),
    )
    .get('/:model', context => {
      const name = context.req.param('model')
      const found = models.find(name)
      if (!found) throw missing(name)
      return context.json(found.fineTune ? wireFineTune(found.fineTune) : wireBase(name, found.base))
    })
    .delete('/:model', context => {
      const name = context.req.param('model')
      const found = models.find(name)
      if (!found) throw missing(name)
      if (!found.fineTune) throw new ApiError(403, 'You have insufficient permissions for this operation.')
      models.fineTunes.delete(name)
      return context.json({ id: name, object: 'model', deleted: true })
    })
}
