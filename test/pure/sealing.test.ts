import { describe, expect, it } from 'vitest'
import { createSealer } from '../../shared/platform/index.ts'

const platform = (key: string) => ({
  environment: { get: () => undefined },
  secrets: { get: async (name: string) => (name === 'TUNEGATE_ENCRYPTION_KEY' ? key : undefined) },
})
const KEY = 'a'.repeat(32)
const sealer = (purpose = 'p', key = KEY) => createSealer(platform(key), purpose)

describe('what is sealed', () => {
  it('opens under the same key, for the same purpose and the same thing', async () => {
    const sealed = await (await sealer()).seal('schön', 'x')
    expect(sealed).not.toContain('schön')
    expect(await (await sealer()).open(sealed, 'x')).toBe('schön')
  })

  it('looks different each time', async () => {
    const { seal } = await sealer()
    expect(await seal('s', 'x')).not.toBe(await seal('s', 'x'))
  })

  it.each([
    ['another purpose', 'q', KEY, 'x'],
    ['another key', 'p', 'b'.repeat(32), 'x'],
    ['another thing', 'p', KEY, 'y'],
  ])('does not open for %s', async (_what, purpose, key, about) => {
    const sealed = await (await sealer()).seal('s', 'x')
    await expect((await sealer(purpose, key)).open(sealed, about)).rejects.toThrow()
  })

  it('does not open once it was changed', async () => {
    const sealed = await (await sealer()).seal('s', 'x')
    const [nonce, text = ''] = sealed.split('.')
    const changed = `${nonce}.${text.startsWith('A') ? 'B' : 'A'}${text.slice(1)}`
    await expect((await sealer()).open(changed, 'x')).rejects.toThrow()
  })
})
