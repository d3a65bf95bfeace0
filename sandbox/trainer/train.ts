import { Adagrad } from './adagrad.ts'
import { type Grade, grade, type Lesson } from './objectives.ts'
import { seededRandom, shuffledIndices } from './random.ts'
import { scoresOf, type Weights } from './softmax.ts'
import type { SparseVector } from './vectorizer.ts'

export interface VectorExample {
  input: SparseVector
  lesson: Lesson
}

export interface TrainingPlan {
  epochs: number
  batchSize: number
  learningRate: number
  /** Decides the order of the examples. */
  seed: number
}

export interface StepReport {
  kind: 'step'
  /** From 1. */
  step: number
  totalSteps: number
  epoch: number
  endsEpoch: boolean
  /** Indices of the examples in this batch. */
  batch: Int32Array
  train: Grade
  /** On a sample of the validation examples, every few steps. */
  valid?: Grade
  /** On all validation examples, at the end of an epoch. */
  fullValid?: Grade
}

/** Says only: this was some work, the caller may want to let others run. */
export interface Working {
  kind: 'working'
}

const WORKING: Working = { kind: 'working' }
const VALIDATION_SAMPLE = 32
const EVALUATIONS_AN_EPOCH = 10
const GRADES_BETWEEN_BREAKS = 64

export function stepsIn(examples: number, plan: TrainingPlan): { anEpoch: number; total: number } {
  const anEpoch = Math.ceil(examples / plan.batchSize)
  return { anEpoch, total: anEpoch * plan.epochs }
}

/**
 * Mini-batch descent on `weights`, which it changes in place. A generator, so that whoever drives it decides when the
 * next step happens: not calling `next()` is a pause, and the result does not depend on the pace.
 */
export function* train(
  weights: Weights,
  examples: readonly VectorExample[],
  validation: readonly VectorExample[],
  plan: TrainingPlan,
): Generator<StepReport | Working, void, undefined> {
  const random = seededRandom(plan.seed)
  const optimizer = new Adagrad(weights, plan.learningRate)
  const steps = stepsIn(examples.length, plan)
  const evaluateEvery = Math.max(1, Math.floor(steps.anEpoch / EVALUATIONS_AN_EPOCH))
  let step = 0
  for (let epoch = 1; epoch <= plan.epochs; epoch++) {
    const order = shuffledIndices(examples.length, random)
    for (let start = 0; start < examples.length; start += plan.batchSize) {
      step++
      const batch = order.subarray(start, start + plan.batchSize)
      const report: StepReport = {
        kind: 'step',
        step,
        totalSteps: steps.total,
        epoch,
        endsEpoch: start + plan.batchSize >= examples.length,
        batch,
        train: descendBatch(weights, optimizer, pick(examples, batch)),
      }
      if (validation.length > 0 && (step % evaluateEvery === 0 || report.endsEpoch)) {
        const sample = shuffledIndices(validation.length, random).subarray(0, VALIDATION_SAMPLE)
        report.valid = yield* evaluate(weights, pick(validation, sample))
      }
      if (validation.length > 0 && report.endsEpoch) report.fullValid = yield* evaluate(weights, validation)
      yield report
    }
  }
}

/** Mean loss and accuracy on examples, without learning from them. */
export function* evaluate(
  weights: Weights,
  examples: readonly VectorExample[],
): Generator<Working, Grade, undefined> {
  const scores = new Float64Array(weights.answers)
  const gradient = new Float64Array(weights.answers)
  const grades: Grade[] = []
  for (const { input, lesson } of examples) {
    scoresOf(weights, input, scores)
    grades.push(grade(lesson, scores, gradient))
    if (grades.length % GRADES_BETWEEN_BREAKS === 0) yield WORKING
  }
  return mean(grades)
}

/** All gradients of a batch are taken at the same weights, then applied one after the other. */
function descendBatch(weights: Weights, optimizer: Adagrad, batch: readonly VectorExample[]): Grade {
  const scores = new Float64Array(weights.answers)
  const graded = batch.map(({ input, lesson }) => {
    const gradient = new Float64Array(weights.answers)
    scoresOf(weights, input, scores)
    return { input, gradient, grade: grade(lesson, scores, gradient) }
  })
  for (const { input, gradient } of graded) optimizer.descend(input, gradient)
  return mean(graded.map(each => each.grade))
}

function pick(examples: readonly VectorExample[], indices: Int32Array): VectorExample[] {
  const picked: VectorExample[] = []
  for (const index of indices) {
    const example = examples[index]
    if (example) picked.push(example)
  }
  return picked
}

function mean(grades: readonly Grade[]): Grade {
  const total = { loss: 0, accuracy: 0 }
  for (const { loss, accuracy } of grades) {
    total.loss += loss
    total.accuracy += accuracy
  }
  const count = Math.max(1, grades.length)
  return { loss: total.loss / count, accuracy: total.accuracy / count }
}
