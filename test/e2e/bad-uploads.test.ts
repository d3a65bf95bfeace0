/** Uploads that are refused: each by its 4xx, naming what is wrong, and nothing is left of any. */
import { describe, expect, it } from 'vitest'
import { isOnLambda, itIsJudged, type RawOptions, useBench } from './support/bench.ts'
import { chatLines, form, toJsonl } from './support/data.ts'

const bench = useBench()

const LINES = chatLines(12).map(line => JSON.stringify(line))
const DATA = `${LINES.join('\n')}\n`
/** The dataset with another line in place of one, counted from 1. */
const withLine = (number: number, line: string | Uint8Array): Buffer =>
  Buffer.concat(
    LINES.flatMap((each, index) => [Buffer.from(index + 1 === number ? line : each), Buffer.from('\n')]),
  )
const example = (messages: unknown) => JSON.stringify({ messages })

const purpose = { name: 'purpose', value: 'fine-tune' }
const file = (value: string | Uint8Array = DATA, name = 'file') => ({ name, value, filename: 'd.jsonl' })
const dataset = (value: string | Uint8Array) => form([purpose, file(value)])

/** Three bytes that are no character, in the middle of a line of JSON. */
const NOT_UTF8 = Buffer.concat([
  Buffer.from('{"messages":"'),
  Buffer.from([0xe6, 0xbc, 0x22]),
  Buffer.from('}'),
])
/** As many as Lambda takes in one request, else more than one part of the bucket. */
const MANY = isOnLambda ? 35_000 : 90_000

interface Row {
  what: string
  sent: () => RawOptions
  code: string
  param: string | null
  message: RegExp
}

const ROWS: Row[] = [
  {
    what: 'no file part',
    sent: () => form([purpose]),
    code: 'missing_required_parameter',
    param: 'file',
    message: /'file'/,
  },
  {
    what: 'a file that is only a field',
    sent: () => form([purpose, { name: 'file', value: DATA }]),
    code: 'unknown_parameter',
    param: 'file',
    message: /'file'/,
  },
  {
    what: 'an empty file',
    sent: () => dataset(''),
    code: 'invalid_value',
    param: 'file',
    message: /empty/,
  },
  {
    what: 'an empty file for another purpose',
    sent: () => form([file(''), { ...purpose, value: 'batch' }]),
    code: 'invalid_value',
    param: 'file',
    message: /empty/,
  },
  {
    what: 'two files',
    sent: () => form([purpose, file(), file()]),
    code: 'invalid_multipart',
    param: 'file',
    message: /more than one file/,
  },
  {
    what: 'a file in another part',
    sent: () => form([purpose, file(DATA, 'data')]),
    code: 'unknown_parameter',
    param: 'data',
    message: /'data'/,
  },
  {
    what: 'JSON in place of a form',
    sent: () => ({ body: { purpose: 'fine-tune', file: DATA } }),
    code: 'invalid_multipart',
    param: 'file',
    message: /multipart\/form-data/,
  },
  {
    what: 'no body at all',
    sent: () => ({ method: 'POST', headers: { 'content-type': 'multipart/form-data; boundary=b' } }),
    code: 'invalid_multipart',
    param: 'file',
    message: /form is not valid/,
  },
  {
    what: 'a form without its boundary',
    sent: () => ({ ...dataset(DATA), headers: { 'content-type': 'multipart/form-data; charset=utf-8' } }),
    code: 'invalid_multipart',
    param: 'file',
    message: /boundary/,
  },
  {
    what: 'a form that ends in the middle',
    sent: () => ({ ...dataset(DATA), body: dataset(DATA).body.subarray(0, -40) }),
    code: 'invalid_multipart',
    param: 'file',
    message: /ends in the middle/,
  },
  {
    what: 'a part without a name',
    sent: () => ({
      ...dataset(DATA),
      body: Buffer.from(dataset(DATA).body.toString('latin1').replace('name="purpose"', ''), 'latin1'),
    }),
    code: 'invalid_multipart',
    param: 'file',
    message: /no name/,
  },
  {
    what: 'a wrong purpose',
    sent: () => form([{ ...purpose, value: 'training' }, file()]),
    code: 'invalid_value',
    param: 'purpose',
    message: /'assistants', 'batch', 'fine-tune'/,
  },
  {
    what: 'a wrong purpose after the file',
    sent: () => form([file(), { ...purpose, value: 'training' }]),
    code: 'invalid_value',
    param: 'purpose',
    message: /'assistants', 'batch', 'fine-tune'/,
  },
  {
    what: 'no purpose',
    sent: () => form([file()]),
    code: 'missing_required_parameter',
    param: 'purpose',
    message: /'purpose'/,
  },
  {
    what: 'an unknown field',
    sent: () => form([purpose, { name: 'colour', value: 'red' }, file()]),
    code: 'unknown_parameter',
    param: 'colour',
    message: /'colour'/,
  },
  {
    what: 'a line that is not UTF-8',
    sent: () => dataset(withLine(7, NOT_UTF8)),
    code: 'invalid_dataset',
    param: 'file',
    message: /line 7 is not UTF-8/,
  },
  {
    what: 'a last line whose last character is cut',
    sent: () => dataset(Buffer.concat([Buffer.from(`${DATA}{"`), Buffer.from([0xe6, 0xbc])])),
    code: 'invalid_dataset',
    param: 'file',
    message: /line 13 is not UTF-8/,
  },
  {
    what: 'a line that is not JSON',
    sent: () => dataset(withLine(3, '{"messages": [')),
    code: 'invalid_dataset',
    param: 'file',
    message: /line 3 is not JSON/,
  },
  {
    what: 'a list in place of an object',
    sent: () => dataset(withLine(4, '[]')),
    code: 'invalid_dataset',
    param: 'file',
    message: /line 4 .*object/,
  },
  {
    what: 'a JSON object over many lines',
    sent: () => dataset(JSON.stringify({ examples: chatLines(12) }, null, 2)),
    code: 'invalid_dataset',
    param: 'file',
    message: /line 1 is not JSON/,
  },
  {
    what: 'an example without messages',
    sent: () => dataset(withLine(5, '{"prompt":"a","completion":"b"}')),
    code: 'invalid_dataset',
    param: 'file',
    message: /line 5 .*messages is missing/,
  },
  {
    what: 'an example of no messages',
    sent: () => dataset(withLine(5, example([]))),
    code: 'invalid_dataset',
    param: 'file',
    message: /line 5 .*messages/,
  },
  {
    what: 'a role that is none',
    sent: () =>
      dataset(
        withLine(
          12,
          example([
            { role: 'user', content: 'a' },
            { role: 'bot', content: 'b' },
          ]),
        ),
      ),
    code: 'invalid_dataset',
    param: 'file',
    message: /line 12 .*messages\[1\]\.role .*assistant/,
  },
  {
    what: 'a content that is a number',
    sent: () => dataset(withLine(1, example([{ role: 'user', content: 1 }]))),
    code: 'invalid_dataset',
    param: 'file',
    message: /line 1 .*messages\[0\]\.content/,
  },
  {
    what: 'fewer than 10 examples',
    sent: () => dataset(toJsonl(chatLines(9))),
    code: 'too_few_examples',
    param: 'file',
    message: /9 examples.* at least 10/,
  },
  {
    what: 'nothing but empty lines',
    sent: () => dataset('\n\n \n'),
    code: 'too_few_examples',
    param: 'file',
    message: /0 examples.* at least 10/,
  },
  {
    what: 'a bad line behind many megabytes of good ones',
    sent: () => dataset(`${toJsonl(chatLines(MANY))}{}`),
    code: 'invalid_dataset',
    param: 'file',
    message: new RegExp(`line ${MANY + 1} .*messages`),
  },
]

describe('POST /v1/files refuses', () => {
  it.each(ROWS)('$what', async ({ sent, code, param, message }) => {
    await bench.raw('/v1/models')
    const before = bench.stored()
    const upstream = bench.watch()
    const answer = await bench.raw('/v1/files', { method: 'POST', ...sent() })
    expect(answer).toMatchObject({ status: 400, error: { code, param, type: 'invalid_request_error' } })
    expect(answer.error.message).toMatch(message)
    expect(bench.stored()).toEqual(before)
    expect(upstream()).toEqual([])
    expect((await bench.raw('/v1/files')).json).toMatchObject({ data: [] })
  })
})

itIsJudged(bench)
