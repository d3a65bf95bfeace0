import { setImmediate } from 'node:timers/promises'

/** What a provider makes of EF BB BF before the first line: OpenAI takes it for text, Azure asks for it. */
export type ByteOrderMark = 'refused' | 'required'

const BOM = '\uFEFF'

/** Checks, while bytes arrive in chunks of any size, that they are UTF-8 with one JSON object on each line. */
export class JsonlCheck {
  readonly #mark: ByteOrderMark
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  #rest = ''
  #line = 0
  #fault: string | undefined
  #begun = false

  constructor(mark: ByteOrderMark = 'refused') {
    this.#mark = mark
  }

  write(chunk: Uint8Array): void {
    this.#decode(chunk, true)
  }

  /** @returns what is wrong, or undefined */
  end(): string | undefined {
    this.#decode(new Uint8Array(), false)
    if (this.#rest.trim() !== '') this.#checkLine(this.#rest)
    return this.#fault
  }

  #decode(chunk: Uint8Array, stream: boolean): void {
    if (this.#fault) return
    let text: string
    try {
      text = this.#decoder.decode(chunk, { stream })
    } catch {
      this.#fault = `File is not valid UTF-8 (near line ${this.#line + 1}).`
      return
    }
    if (!this.#begun && text !== '') {
      this.#begun = true
      if (this.#mark === 'required') {
        if (!text.startsWith(BOM)) {
          this.#fault = 'File must be encoded as UTF-8 with a byte order mark.'
          return
        }
        text = text.slice(BOM.length)
      }
    }
    this.#rest += text
    const lines = this.#rest.split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#checkLine(line)
  }

  #checkLine(line: string): void {
    this.#line++
    if (this.#fault || line.trim() === '') return
    const value = parseObject(line)
    if (!value) {
      this.#fault = `Expected file to have JSONL format, where every line is a valid JSON dictionary. Line ${this.#line} is not a dictionary.`
    }
  }
}

const SLICE_BYTES = 2 ** 20

/**
 * What keeps the bytes from being JSONL, if anything. Lets others run in between.
 */
export async function jsonlFault(bytes: Uint8Array, mark: ByteOrderMark): Promise<string | undefined> {
  const check = new JsonlCheck(mark)
  for (let start = 0; start < bytes.byteLength; start += SLICE_BYTES) {
    check.write(bytes.subarray(start, start + SLICE_BYTES))
    await setImmediate()
  }
  return check.end()
}

/** The object on a line, or undefined if there is none. */
export function parseObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
