/** The trainer alone: mathematics without a server. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BIAS, conversationFeatures, HASH_SIZE, type Turn } from '../../sandbox/trainer/features.ts'
import { grade, type Lesson } from '../../sandbox/trainer/objectives.ts'
import { seededRandom, shuffledIndices } from '../../sandbox/trainer/random.ts'
import { best, scoresOf, zeroWeights } from '../../sandbox/trainer/softmax.ts'
import { type StepReport, train } from '../../sandbox/trainer/train.ts'
import { type Example, prepareTuning } from '../../sandbox/trainer/tune.ts'
import { answerTo, snapshot } from '../../sandbox/trainer/tuned-model.ts'
import { Vectorizer, WEIGHT_BUDGET } from '../../sandbox/trainer/vectorizer.ts'
import { samples } from './support.ts'

const user = (text: string): Turn[] => [{ role: 'user', text }]
const atOnce = async (): Promise<void> => {}

const examples: Example[] = samples('train').map(({ text, intent }) => ({
  turns: user(text),
  teaches: { kind: 'answer', answer: intent },
}))

async function learn(plan: Partial<Parameters<typeof train>[3]> = {}) {
  const tuning = await prepareTuning({ examples, validation: [], beta: 0.1 }, atOnce)
  const steps: StepReport[] = []
  const course = train(tuning.model.weights, tuning.examples, tuning.validation, {
    epochs: 3,
    batchSize: 4,
    learningRate: 0.1,
    seed: 1,
    ...plan,
  })
  for (const report of course) if (report.kind === 'step') steps.push(report)
  return { ...tuning, steps }
}

describe('gradients', () => {
  const lessons: Lesson[] = [
    { kind: 'answer', answer: 2 },
    { kind: 'preference', preferred: 1, rejected: 3, reference: 0.4, beta: 0.7 },
    { kind: 'reward', rewards: Float32Array.of(0, 1, 0, 1) },
  ]

  it.each(lessons)('of the $kind lesson agree with finite differences', lesson => {
    const scoresIn = fc.array(fc.double({ min: -4, max: 4, noNaN: true }), { minLength: 4, maxLength: 4 })
    fc.assert(
      fc.property(scoresIn, values => {
        const gradient = new Float64Array(4)
        const spare = new Float64Array(4)
        grade(lesson, Float64Array.from(values), gradient)
        const nudge = 1e-6
        values.forEach((_, index) => {
          const lossAt = (by: number): number => {
            const moved = Float64Array.from(values)
            moved[index] = (moved[index] ?? 0) + by
            return grade(lesson, moved, spare).loss
          }
          expect(gradient[index]).toBeCloseTo((lossAt(nudge) - lossAt(-nudge)) / (2 * nudge), 5)
        })
      }),
    )
  })

  it('of a preference start from what the model preferred before', () => {
    const lesson = { kind: 'preference', preferred: 0, rejected: 1, reference: 3, beta: 0.5 } as const
    const { loss, accuracy } = grade(lesson, Float64Array.of(5, 2), new Float64Array(2))
    expect(loss).toBeCloseTo(Math.log(2), 9)
    expect(accuracy).toBe(0)
  })

  it('leave the scores alone', () => {
    const scores = Float64Array.of(1, 2, 3, 4)
    for (const lesson of lessons) grade(lesson, scores, new Float64Array(4))
    expect([...scores]).toEqual([1, 2, 3, 4])
  })

  it('stay finite for an answer the model cannot give', () => {
    const { loss, accuracy } = grade(
      { kind: 'answer', answer: -1 },
      Float64Array.of(50, 0),
      new Float64Array(2),
    )
    expect(loss).toBeGreaterThan(10)
    expect(Number.isFinite(loss)).toBe(true)
    expect(accuracy).toBe(0)
  })
})

describe('training', () => {
  it('starts at the loss of knowing nothing and falls', async () => {
    const { steps } = await learn()
    expect(steps[0]?.train.loss).toBeCloseTo(Math.log(4), 6)
    expect(steps.at(-1)?.train.loss).toBeLessThan(0.2)
  })

  it('gives bit for bit the same weights for the same seed, others for another', async () => {
    const [one, again, other] = [await learn({ seed: 3 }), await learn({ seed: 3 }), await learn({ seed: 4 })]
    expect(one.model.weights.data).toEqual(again.model.weights.data)
    expect(one.model.weights.data).not.toEqual(other.model.weights.data)
  })

  it.each([1, 5, 7, 72, 256])('sees every example once an epoch, in batches of %i', async batchSize => {
    const { steps } = await learn({ epochs: 2, batchSize })
    const perEpoch = Math.ceil(examples.length / batchSize)
    expect(steps).toHaveLength(2 * perEpoch)
    expect(steps.every(({ totalSteps }) => totalSteps === steps.length)).toBe(true)
    const seen = steps.slice(0, perEpoch).flatMap(({ batch }) => [...batch])
    expect(seen.toSorted((a, b) => a - b)).toEqual(examples.map((_, index) => index))
    expect(steps.filter(({ endsEpoch }) => endsEpoch).map(({ step }) => step)).toEqual([
      perEpoch,
      2 * perEpoch,
    ])
  })

  it('learns little in the same time at a tiny learning rate', async () => {
    const slow = await learn({ learningRate: 0.0005 })
    const usual = await learn()
    expect(slow.steps.at(-1)?.train.loss).toBeGreaterThan(1)
    expect(usual.steps.at(-1)?.train.loss).toBeLessThan(0.3)
  })

  it('follows its gradient downhill: one small step lowers the loss of its batch', async () => {
    const { model, examples: vectors } = await prepareTuning({ examples, validation: [], beta: 0.1 }, atOnce)
    const plan = { epochs: 2, batchSize: examples.length, learningRate: 0.01, seed: 1 }
    const losses: number[] = []
    for (const report of train(model.weights, vectors, [], plan)) {
      if (report.kind === 'step') losses.push(report.train.loss)
    }
    expect(losses[1]).toBeLessThan(losses[0] ?? 0)
  })

  it('does not reach into a snapshot', async () => {
    const { model } = await learn()
    const kept = snapshot(model)
    const question = user('tell me my balance')
    expect(kept.answers[answerTo(kept, question)]).toBe('balance')
    model.weights.data.fill(0)
    expect(kept.answers[answerTo(kept, question)]).toBe('balance')
    expect(model.answers[answerTo(model, question)]).not.toBe('balance')
  })
})

describe('features', () => {
  it('always hold the bias and stay below the hash size', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), text => {
        const features = conversationFeatures(user(text))
        expect(features.get(BIAS)).toBe(1)
        for (const feature of features.keys()) expect(feature).toBeLessThan(HASH_SIZE)
      }),
    )
  })

  it('do not care for case, punctuation or composition', () => {
    expect(conversationFeatures(user('Café, PLEASE!'))).toEqual(
      conversationFeatures(user('cafe\u0301 please')),
    )
  })

  it('do care for order, and for whose turn it is', () => {
    expect(conversationFeatures(user('card my'))).not.toEqual(conversationFeatures(user('my card')))
    const question = user('what is the weather')
    const answered: Turn[] = [...question, { role: 'tool', text: 'sunny' }]
    expect(conversationFeatures(answered)).not.toEqual(conversationFeatures(question))
  })
})

describe('the place of a word', () => {
  const weightOf = (turns: Turn[]): number => {
    const silent = turns.map(({ role }) => ({ role, text: '' }))
    const without = conversationFeatures(silent)
    const all = [...conversationFeatures(turns)].filter(([feature]) => !without.has(feature))
    return Math.max(...all.map(([, weight]) => weight))
  }

  it('counts in the last question and after it, less before', () => {
    const empty = { role: 'user', text: '' } as const
    const asked = weightOf(user('weather'))
    expect(weightOf([empty, { role: 'tool', text: 'weather' }])).toBe(asked)
    expect(weightOf([{ role: 'system', text: 'weather' }, empty])).toBeLessThan(asked)
    expect(weightOf([...user('weather'), { role: 'assistant', text: '' }, empty])).toBeLessThan(asked)
  })
})

describe('the vectorizer', () => {
  const documents = samples('train').map(({ text }) => conversationFeatures(user(text)))

  it('makes vectors of length one, the bias aside', () => {
    const vectorizer = Vectorizer.fit(documents, 4)
    const { values } = vectorizer.vector(conversationFeatures(user('I lost my card')))
    const squares = [...values.subarray(1)].reduce((sum, value) => sum + value * value, 0)
    expect(squares).toBeCloseTo(1, 5)
  })

  it('says nothing about words it has never seen', () => {
    const vectorizer = Vectorizer.fit(documents, 4)
    expect([...vectorizer.vector(conversationFeatures(user('zyx'))).rows]).toEqual([0])
  })

  it('drops rare features rather than break the budget', () => {
    const answers = WEIGHT_BUDGET / 16
    expect(Vectorizer.fit(documents, answers).rows).toBe(16)
    expect(Vectorizer.fit(documents, 4).rows).toBeGreaterThan(100)
  })
})

describe('small parts', () => {
  it('shuffles into a permutation', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.nat(), (length, seed) => {
        const order = shuffledIndices(length, seededRandom(seed))
        expect([...order].toSorted((a, b) => a - b)).toEqual(Array.from({ length }, (_, index) => index))
      }),
    )
  })

  it('picks the best allowed answer, the first among equals, or none', () => {
    const scores = Float64Array.of(1, 5, 5, 2)
    expect(best(scores)).toBe(1)
    expect(best(scores, answer => answer !== 1)).toBe(2)
    expect(best(scores, () => false)).toBe(-1)
  })

  it('adds up weights by row', () => {
    const weights = zeroWeights(2, 2)
    weights.data.set([1, 2, 3, 4])
    const scores = new Float64Array(2)
    scoresOf(weights, { rows: Int32Array.of(0, 1), values: Float32Array.of(1, 0.5) }, scores)
    expect([...scores]).toEqual([2.5, 4])
  })
})
