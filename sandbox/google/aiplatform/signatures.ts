/** Thought signatures: what a Gemini 3 model hands out with a function call, and wants back. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { GoogleError } from '../errors.ts'
import { type Content, roleOf } from './content.ts'

const SECRET = randomBytes(32)
const NONCE_BYTES = 16

/** Google's documented ways to say: this call was not made by the model. */
const WAIVERS = ['skip_thought_signature_validator', 'context_engineering_is_the_way_to_go']

/** A fresh signature for a call of the function. */
export function signatureFor(name: string): string {
  const nonce = randomBytes(NONCE_BYTES)
  return Buffer.concat([nonce, seal(nonce, name)]).toString('base64')
}

/**
 * Every step of the turn that is going on, that is since the user last spoke, must bring the signature of its first
 * call. Earlier turns need none.
 *
 * @throws {GoogleError} INVALID_ARGUMENT
 */
export function checkSignatures(contents: readonly Content[]): void {
  const turn = contents.findLastIndex(
    each => roleOf(each) === 'user' && !each.parts.some(({ functionResponse }) => functionResponse),
  )
  for (const [index, { parts }] of contents.entries()) {
    const first = parts.find(({ functionCall }) => functionCall)
    const name = first?.functionCall?.name
    if (index <= turn || name === undefined) continue
    if (first?.thoughtSignature === undefined) {
      throw new GoogleError(
        'INVALID_ARGUMENT',
        `Function call is missing a thought_signature in functionCall parts. Function call \`${name}\`, position ${index + 1}.`,
      )
    }
    if (!isSignature(first.thoughtSignature, name)) {
      throw new GoogleError('INVALID_ARGUMENT', 'Thought signature is not valid.')
    }
  }
}

function isSignature(signature: string, name: string): boolean {
  if (WAIVERS.includes(signature)) return true
  const bytes = Buffer.from(signature, 'base64')
  const nonce = bytes.subarray(0, NONCE_BYTES)
  const expected = seal(nonce, name)
  const given = bytes.subarray(NONCE_BYTES)
  return given.byteLength === expected.byteLength && timingSafeEqual(given, expected)
}

const seal = (nonce: Buffer, name: string): Buffer =>
  createHmac('sha256', SECRET).update(nonce).update(name).digest()
