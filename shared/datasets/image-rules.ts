/**
 * What images can get wrong. How many and how large they may be, and with which models, is in `limits.ts`.
 * @module
 */
import { baseModelOf } from '../providers/index.ts'
import { type Example, isPreference, type Message } from './formats/index.ts'
import { type InlineImage, inlineOf } from './image.ts'
import { chatOf, chatPath, type ExampleRule, errorFor, isKept, type Tell } from './rule.ts'
import type { Target } from './target.ts'

interface Image {
  role: Message['role']
  /** As it is written: still to be checked. */
  url: unknown
  path: string
  /** Where it is given by value. */
  inline: InlineImage | undefined
}

const imagesOf = (messages: Message[], list: string): Image[] =>
  messages.flatMap(({ content, role }, index) =>
    Array.isArray(content)
      ? content.flatMap((part, at) =>
          part.type === 'image_url'
            ? [
                {
                  role,
                  url: part.image_url?.url,
                  path: `${list}[${index}].content[${at}]`,
                  inline: inlineOf(part),
                },
              ]
            : [],
        )
      : [],
  )

/** All images of an example. */
export const imagesIn = (example: Example): Image[] => [
  ...imagesOf(chatOf(example).messages, chatPath(example)),
  ...(isPreference(example)
    ? [
        ...imagesOf(example.preferred_output, 'preferred_output'),
        ...imagesOf(example.non_preferred_output, 'non_preferred_output'),
      ]
    : []),
]

const onImages =
  (find: (image: Image, tell: Tell, target: Target) => void): ExampleRule['find'] =>
  (example, tell, target) => {
    for (const image of imagesIn(example)) find(image, tell, target)
  }

const onInline = (find: (image: InlineImage, path: string, tell: Tell) => void): ExampleRule['find'] =>
  onImages(({ inline, path }, tell) => {
    if (inline) find(inline, path, tell)
  })

const TYPES = ['image/jpeg', 'image/png', 'image/webp']
const COLOURS: readonly (string | undefined)[] = ['RGB', 'RGBA', undefined]

/** What is wrong with the data of an image whose type is a right one. */
const dataProblem = ({ bytes, header }: InlineImage): string | undefined => {
  if (bytes === undefined) return 'is no base64 that can be decoded'
  if (bytes === 0) return 'is empty'
  return header ? undefined : 'is no image by its first bytes'
}

export const IMAGE_RULES: readonly ExampleRule[] = [
  {
    code: 'too_many_images',
    severity: ({ limits }) => (limits.images === undefined ? undefined : 'error'),
    needs: 'parts',
    find(example, tell, { limits: { images } }) {
      const count = imagesIn(example).length
      if (images !== undefined && count > images)
        tell(chatPath(example), `hold ${count} images; ${images} are the most`)
    },
  },
  {
    code: 'image_too_large',
    severity: ({ limits }) => (limits.imageBytes === undefined ? undefined : 'error'),
    needs: 'parts',
    find: onImages(({ inline, path }, tell, { limits: { imageBytes } }) => {
      const bytes = inline?.bytes
      if (bytes !== undefined && imageBytes !== undefined && bytes > imageBytes)
        tell(path, `has ${bytes} bytes; ${imageBytes} are the most`)
    }),
  },
  {
    code: 'image_model',
    // The table of models may be behind.
    severity: ({ limits, method }) =>
      limits.imageModels === undefined || method === 'reinforcement' ? undefined : 'warning',
    needs: 'parts',
    find(example, tell, { provider, model, limits: { imageModels } }) {
      if (provider === null || model === undefined || !imageModels) return
      if (!imageModels.includes(baseModelOf(provider, model)) && imagesIn(example).length > 0)
        tell(chatPath(example), `hold images, which are trained on with ${imageModels.join(' and ')} alone`)
    },
  },
  {
    code: 'image_address',
    severity: errorFor('openai', 'azure'),
    needs: 'parts',
    find: onImages(({ url, inline, path }, tell) => {
      if (!inline && !(typeof url === 'string' && /^https?:\/\//.test(url)))
        tell(path, 'must be at an http address or in a base64 data URL')
    }),
  },
  {
    code: 'image_type',
    severity: errorFor('openai', 'azure'),
    needs: 'parts',
    find: onInline(({ declared, header }, path, tell) => {
      if (!TYPES.includes(header?.type ?? declared)) tell(path, `must be one of ${TYPES.join(', ')}`)
    }),
  },
  {
    code: 'image_type_differs',
    // OpenAI goes by the bytes, but says so nowhere.
    severity: target => (isKept(target) ? 'warning' : undefined),
    needs: 'parts',
    find: onInline(({ declared, header }, path, tell) => {
      if (header && header.type !== declared)
        tell(path, `is ${header.type} by its first bytes, and something else by its data URL`)
    }),
  },
  {
    code: 'image_data',
    severity: errorFor('openai', 'azure', 'openai_compatible'),
    needs: 'parts',
    find: onInline((image, path, tell) => {
      const problem = TYPES.includes(image.declared) ? dataProblem(image) : undefined
      if (problem !== undefined) tell(path, problem)
    }),
  },
  {
    code: 'image_colours',
    severity: errorFor('openai', 'azure'),
    needs: 'parts',
    find: onInline(({ header }, path, tell) => {
      if (header && !COLOURS.includes(header.colours))
        tell(path, `must be in RGB or RGBA: its pixels are stored as ${header.colours}`)
    }),
  },
  {
    code: 'image_role',
    severity: errorFor('openai', 'azure'),
    needs: 'parts',
    find: onImages(({ role, path }, tell) => {
      if (role !== 'user') tell(path, 'belongs to user messages only')
    }),
  },
]
