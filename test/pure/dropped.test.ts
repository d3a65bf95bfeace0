/** How an answer names what it was given without. */
import { describe, expect, it } from 'vitest'
import { droppedList } from '../../shared/serving/dropped.ts'

describe('the list of dropped fields', () => {
  it.each([
    [['seed'], 'seed'],
    [['seed', 'logprobs', 'seed'], 'seed, logprobs'],
    [['messages[0].name', 'messages[12].name'], 'messages[].name'],
    [['messages[2].content[1].image_url.detail'], 'messages[].content[].image_url.detail'],
    [['metadata.größe'], 'metadata.gr%C3%B6%C3%9Fe'],
    [['a\r\nset-cookie: x', 'b,c', 'half \ud83d'], 'a%0D%0Aset-cookie:%20x, b%2Cc, half%20%EF%BF%BD'],
    [['x'.repeat(10_000)], 'x'.repeat(64)],
  ])('%j is %s', (names, expected) => {
    expect(droppedList(names)).toBe(expected)
    // A header takes it as it is.
    expect(new Headers({ x: droppedList(names) }).get('x')).toBe(expected)
  })

  it('says how many more there are than it names', () => {
    const names = Array.from({ length: 1000 }, (_, index) => `field_${index}`)
    const list = droppedList(names).split(', ')
    expect(list).toEqual([...names.slice(0, 50), '+950'])
  })
})
