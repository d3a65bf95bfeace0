/** GenerateContentResponse: in one piece, as server-sent events, or as the elements of a JSON array. */
import type { Candidate, Generation, WirePart } from './generate.ts'

/** The whole answer. */
export function wireResponse(generation: Generation) {
  return {
    candidates: generation.candidates.map((candidate, index) => ({
      content: { role: 'model', parts: joined(candidate.pieces) },
      finishReason: candidate.finishReason,
      ...(index > 0 && { index }),
    })),
    usageMetadata: usageOf(generation),
    ...identity(generation),
  }
}

/** The answer piece by piece; usage comes with the last, each candidate's reason to finish with its last piece. */
export function* wireChunks(generation: Generation): Generator<object> {
  const pieces = generation.candidates.flatMap((candidate, index) => chunksOf(candidate, index))
  for (const [at, candidate] of pieces.entries()) {
    const isLast = at === pieces.length - 1
    yield {
      candidates: [candidate],
      usageMetadata: isLast ? usageOf(generation) : { trafficType: 'ON_DEMAND' },
      ...identity(generation),
    }
  }
}

function chunksOf({ pieces, finishReason }: Candidate, index: number): object[] {
  const spoken = pieces.length > 0 ? pieces : [{ text: '' }]
  return spoken.map((piece, at) => ({
    content: { role: 'model', parts: [piece] },
    ...(at === spoken.length - 1 && { finishReason }),
    ...(index > 0 && { index }),
  }))
}

/** `data: …` with CRLF, and nothing to mark the end. */
export function* asEvents(chunks: Iterable<object>): Generator<string> {
  for (const chunk of chunks) yield `data: ${JSON.stringify(chunk)}\r\n\r\n`
}

export function* asArray(chunks: Iterable<object>): Generator<string> {
  let before = '['
  for (const chunk of chunks) {
    yield `${before}${JSON.stringify(chunk)}`
    before = '\n,\r\n'
  }
  yield before === '[' ? '[]' : '\n]'
}

const identity = ({ modelVersion, createTime, responseId }: Generation) => ({
  modelVersion,
  createTime,
  responseId,
})

function joined(pieces: readonly WirePart[]): WirePart[] {
  const text = pieces.map(piece => ('text' in piece ? piece.text : '')).join('')
  const calls = pieces.filter(piece => 'functionCall' in piece)
  return text !== '' || calls.length === 0 ? [{ text }, ...calls] : calls
}

function usageOf({ promptTokens, candidates }: Generation) {
  const spoken = candidates.reduce((sum, { tokens }) => sum + tokens, 0)
  const details = (tokenCount: number) => [{ modality: 'TEXT', tokenCount }]
  return {
    promptTokenCount: promptTokens,
    // Proto's JSON leaves out zeros.
    ...(spoken > 0 && { candidatesTokenCount: spoken }),
    totalTokenCount: promptTokens + spoken,
    trafficType: 'ON_DEMAND',
    promptTokensDetails: details(promptTokens),
    ...(spoken > 0 && { candidatesTokensDetails: details(spoken) }),
  }
}
