/**
 * Which encoding a model of OpenAI's reads text with.
 * Source: `tiktoken/model.py` of https://github.com/openai/tiktoken; its tables' checksums are in the tests.
 * @module
 */
export type Encoding = 'o200k_base' | 'cl100k_base'

interface Row {
  model: RegExp
  encoding: Encoding
}

/** As of 2026-11-20. The first row that fits a base model's name decides. */
const ROWS: readonly Row[] = [
  { model: /^(gpt-(4o|4\.1|4\.5|[5-9])|chatgpt-4o|o[1-9])/, encoding: 'o200k_base' },
  // o200k_harmony, which is o200k_base with more special tokens.
  { model: /^(openai\.)?gpt-oss/, encoding: 'o200k_base' },
  // At Azure also written without its point.
  { model: /^(gpt-4|gpt-3\.?5|babbage-002|davinci-002)/, encoding: 'cl100k_base' },
]

/** The encoding of a base model, or undefined where it is not OpenAI's. */
export const encodingOf = (model: string): Encoding | undefined =>
  ROWS.find(row => row.model.test(model))?.encoding
