/**
 * Tokens of images, by the model that reads them. The rules are data with their sources; `docs/estimates.md` tells them in words.
 * @module
 */
import type { ContentPart } from '../formats/format.ts'
import { type ImageSize, inlineOf } from '../image.ts'

/** How a model counts images. */
export interface ImageRule {
  /** Tells it from others: counts by one rule can be compared, and kept. */
  name: string
  /** The end of a sentence that begins with "images are counted". */
  words: string
  /** What an image may have whose size is not known. */
  least: number
  most: number
  /** Where the size decides. */
  bySize?(size: ImageSize): number
  /** In low detail, where the size makes no difference to that. */
  low?: number
}

const GUIDE = "by OpenAI's rule for"

/** Tiles of 512 pixels that cover the image, once it fits 2048 × 2048 and its shorter side 768. */
const tiles = (base: number, each: number): ImageRule => ({
  name: `tiles-${base}-${each}`,
  words: `${GUIDE} tiles: ${base} tokens and ${each} for each of 512 × 512 pixels, or the first alone in low detail`,
  least: base + each,
  // 2048 × 768.
  most: base + 8 * each,
  low: base,
  bySize({ width, height }) {
    let [long, short] = width > height ? [width, height] : [height, width]
    if (long > 2048) [long, short] = [2048, Math.max(1, Math.round((short * 2048) / long))]
    if (short > 768) [long, short] = [Math.floor((long * 768) / short), 768]
    return base + each * Math.ceil(long / 512) * Math.ceil(short / 512)
  },
})

const PATCH = 32
const covering = (width: number, height: number) => Math.ceil(width / PATCH) * Math.ceil(height / PATCH)

/** How far an image shrinks so that whole patches stay within the budget. */
const shrinkFactor = ({ width, height }: ImageSize, budget: number): number => {
  const factor = Math.sqrt((PATCH ** 2 * budget) / (width * height))
  const wide = (width * factor) / PATCH
  const high = (height * factor) / PATCH
  return factor * Math.min(Math.floor(wide) / wide, Math.floor(high) / high)
}

/** Patches of 32 pixels that cover the image, once it is within a longest side and a budget of patches. */
const patches = (multiplier: number, budget: number, longest: number): ImageRule => ({
  name: `patches-${multiplier}-${budget}`,
  words: `${GUIDE} patches: ${multiplier} tokens for each of 32 × 32 pixels, of which there are up to ${Math.min(budget, covering(longest, longest))}`,
  least: Math.ceil(multiplier),
  most: Math.ceil(Math.min(budget, covering(longest, longest)) * multiplier),
  bySize({ width, height }) {
    const scale = Math.min(1, longest / Math.max(width, height))
    const scaled = (side: number) => Math.max(1, Math.round(side * scale))
    const size = { width: scaled(width), height: scaled(height) }
    const factor = covering(size.width, size.height) > budget ? shrinkFactor(size, budget) : 1
    const count = covering(Math.floor(size.width * factor), Math.floor(size.height * factor))
    return Math.ceil(count * multiplier)
  },
})

/** No rule by the size is published, or none that an image's address would tell it by. */
const between = (name: string, words: string, least: number, most: number): ImageRule => ({
  name,
  words,
  least,
  most,
})

const OPENAI = 'https://developers.openai.com/api/docs/guides/images-vision#calculating-costs'

/** As of 2026-11-26. The first that fits a base model's name decides. */
export const IMAGE_RULES: readonly { model: RegExp; rule: ImageRule; source: string }[] = [
  { model: /^gpt-4o-mini/, rule: tiles(2833, 5667), source: OPENAI },
  { model: /^gpt-4\.1-mini/, rule: patches(1.62, 6144, 2048), source: OPENAI },
  // Of these two the budget is of an earlier edition: they are about to be shut down and no longer in the table of sizes.
  { model: /^gpt-4\.1-nano/, rule: patches(2.46, 1536, 2048), source: OPENAI },
  { model: /^o4-mini/, rule: patches(1.72, 1536, 2048), source: OPENAI },
  { model: /^(gpt-4o|gpt-4\.[15]|chatgpt-4o)/, rule: tiles(85, 170), source: OPENAI },
  { model: /^gpt-5(\.1)?$/, rule: tiles(70, 140), source: OPENAI },
  {
    model: /gemini/,
    rule: between(
      'gemini',
      'as Google tells: 256 tokens and 256 for each part that is looked at closer, in Gemini 3 and later up to 1,120',
      256,
      1120,
    ),
    source: 'https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/tuning/image',
  },
  {
    model: /nova/,
    rule: between('nova', 'by the examples of AWS, from 900 × 450 to 1300 × 1300 pixels', 800, 2600),
    source: 'https://docs.aws.amazon.com/nova/latest/userguide/modalities-image.html',
  },
]

const UNKNOWN = between('unknown', 'as gpt-4o would, for want of a rule that is published', 85, 1445)

/** How a base model counts images. @param base as its provider names it */
export const imageRuleOf = (base: string): ImageRule =>
  IMAGE_RULES.find(({ model }) => model.test(base))?.rule ?? UNKNOWN

/** What is taken for an image whose size is not known: the middle. */
export const guessOf = ({ least, most }: ImageRule): number => Math.round((least + most) / 2)
/** How far off that may be. */
export const spreadOf = (rule: ImageRule): number => rule.most - guessOf(rule)

/** An image's tokens, and whether they had to be guessed. */
export const imageTokens = (rule: ImageRule, part: ContentPart): { tokens: number; isGuess: boolean } => {
  if (rule.low !== undefined && part.image_url?.detail === 'low') return { tokens: rule.low, isGuess: false }
  const size = rule.bySize && inlineOf(part)?.header?.size
  return size && rule.bySize
    ? { tokens: rule.bySize(size), isGuess: false }
    : { tokens: guessOf(rule), isGuess: true }
}
