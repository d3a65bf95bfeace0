/**
 * A tool call's id, in which a stateless client gives back what Gemini wants to see again: its own id of the call, where it had
 * one, and the signature of the thought behind it. Opaque to clients.
 * Source: https://docs.cloud.google.com/vertex-ai/generative-ai/docs/thought-signatures
 * @module
 */

export interface CallIdentity {
  /** Gemini's own id of the call; only v1beta1 has them. */
  native?: string
  /** Base 64, as it came. */
  signature?: string
}

/** A longer signature travels beside the id, in `extra_content`. */
export const LONGEST_SIGNATURE = 4096

const SHAPE = /^call_[A-Za-z0-9]+((?:\.[ns][A-Za-z0-9_-]*)+)$/

/** The alphabet of URLs: ids turn up in places that are picky. */
const toUrlAlphabet = (base64: string) => base64.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
const toBase64 = (text: string): string => {
  const plain = text.replaceAll('-', '+').replaceAll('_', '/')
  return plain.padEnd(Math.ceil(plain.length / 4) * 4, '=')
}

const encode = (text: string) => toUrlAlphabet(btoa(String.fromCharCode(...new TextEncoder().encode(text))))
const decode = (text: string): string | undefined => {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(toBase64(text)), char => char.charCodeAt(0)))
  } catch {
    return undefined
  }
}

const fresh = () => `call_${crypto.randomUUID().replaceAll('-', '')}`

/** A new id that holds this. */
export const toCallId = ({ native, signature }: CallIdentity): string =>
  fresh() +
  (native === undefined ? '' : `.n${encode(native)}`) +
  (signature === undefined || signature.length > LONGEST_SIGNATURE ? '' : `.s${toUrlAlphabet(signature)}`)

/** What an id holds; nothing, for one that another provider made. */
export const fromCallId = (id: string): CallIdentity => {
  const pieces = SHAPE.exec(id)?.[1]?.slice(1).split('.') ?? []
  const [native, signature] = ['n', 's'].map(kind => pieces.find(piece => piece.startsWith(kind))?.slice(1))
  const text = native === undefined ? undefined : decode(native)
  return { ...(text !== undefined && { native: text }), ...(signature && { signature: toBase64(signature) }) }
}
