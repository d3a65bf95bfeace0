/**
 * The Store on DynamoDB: one table, one item a record, two global indexes, `by_a` and `by_b` (an index's name has three
 * letters at least).
 *
 * A write whose answer is lost may have had its effect. Each write leaves a mark of its own and keeps those of the writes before
 * it, so that who repeats one can tell whether it was the one that came through.
 * @module
 */
import { forEach } from '../../each.ts'
import { expiryOf } from '../due.ts'
import type { Bucket, Clock, ListQuery, Store, StoredRecord, StoreRecord } from '../ports.ts'
import { type AwsClient, AwsError } from './client.ts'
import { createFarBodies } from './far-bodies.ts'
import { type PackedBody, packBody, unpackBody } from './packing.ts'

/** Marks of the last writes, the newest first. More writers than these would have to come between a write and its repetition. */
const MARKS = ['m0', 'm1', 'm2', 'm3', 'm4', 'm5'] as const

type Item = { id: { S: string }; version: { N: string } } & PackedBody &
  Partial<Record<(typeof MARKS)[number], { S: string }>>
interface ItemAnswer {
  Item?: Item
}
interface WriteAnswer {
  Attributes?: PackedBody & { version?: { N: string } }
}
interface QueryAnswer {
  Items?: Item[]
  LastEvaluatedKey?: object
}

export interface DynamoStoreOptions {
  client: AwsClient
  /** For bodies that an item cannot hold. */
  bucket: Bucket
  table: () => string
  clock: Clock
}

const keyOf = (kind: string, id: string) => ({ pk: { S: `${kind}#${id}` } })
const partitionOf = (kind: string, partition: string) => `${kind}#${partition}`

/** Seconds after its time at which DynamoDB removes by itself what the schedule has left. */
const LEFT_FOR = 86_400
const ttlOf = ({ indexes }: StoreRecord) => {
  const expiry = expiryOf(indexes.b)
  return expiry === undefined ? undefined : { N: String(expiry + LEFT_FOR) }
}

/** Writes that are on their way at once. */
const AT_ONCE = 16
/** Looks at a record that is always being written just when its far body is read. */
const MOST_LOOKS = 5
/** Attempts at a write whose body lies in the bucket, and milliseconds between them, growing. */
const MOST_FAR_ATTEMPTS = 4
const FAR_PAUSE_MS = 250
const SLOTS = ['a', 'b'] as const

/** Bytes that DynamoDB takes as a partition key, and as a sort key. @see https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html */
const MOST_PARTITION_BYTES = 2048
const MOST_SORT_BYTES = 1024

/** Whether there can be nothing under a key: callers may ask for any. */
const isTooLong = (partition: string) => Buffer.byteLength(partition) > MOST_PARTITION_BYTES

/** A bound that is longer than any sort key stands where its beginning stands. */
const boundOf = (bound: string | undefined): string | undefined =>
  bound === undefined || Buffer.byteLength(bound) <= MOST_SORT_BYTES
    ? bound
    : Buffer.from(bound)
        .subarray(0, MOST_SORT_BYTES)
        .toString('utf8')
        .replace(/\uFFFD+$/, '')

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))

/** The bounds of a list as one condition on the sort key; `BETWEEN` has both ends in it. */
const rangeOf = ({
  order,
  ...bounds
}: ListQuery): { test: string; values: Record<string, { S: string }>; ends: string[] } | undefined => {
  const [after, below] = [boundOf(bounds.after), boundOf(bounds.below)]
  const uppers = order === 'asc' ? [below] : [after, below]
  const [upper] = uppers.filter(bound => bound !== undefined).sort(byBytes)
  const lower = order === 'asc' && after !== '' ? after : undefined
  if (lower === undefined && upper === undefined) return { test: '', values: {}, ends: [] }
  if (upper === '' || (lower !== undefined && upper !== undefined && byBytes(lower, upper) >= 0))
    return undefined
  if (lower === undefined)
    return { test: ' AND #sort < :upper', values: { ':upper': { S: upper ?? '' } }, ends: [] }
  if (upper === undefined)
    return { test: ' AND #sort > :lower', values: { ':lower': { S: lower } }, ends: [] }
  return {
    test: ' AND #sort BETWEEN :lower AND :upper',
    values: { ':lower': { S: lower }, ':upper': { S: upper } },
    ends: [lower, upper],
  }
}

/** The call of a write. @param expect undefined: whatever is there */
const toUpdate = (
  record: StoreRecord,
  expect: 'absent' | number | undefined,
  packed: PackedBody,
  mark: string,
): object => {
  const { kind, id, indexes } = record
  const fields: Record<string, object | undefined> = {
    id: { S: id },
    ttl: ttlOf(record),
    ...{ body: undefined, zip: undefined, far: undefined, ...packed },
  }
  for (const slot of SLOTS) {
    const entry = indexes[slot]
    fields[`${slot}_partition`] = entry && { S: partitionOf(kind, entry.partition) }
    fields[`${slot}_sort`] = entry && { S: entry.sort }
  }
  const present = Object.entries(fields).filter(([, value]) => value !== undefined)
  const gone = Object.keys(fields).filter(name => fields[name] === undefined)
  const marks = MARKS.map((name, index) => {
    const before = MARKS[index - 1]
    return before === undefined ? `${name} = :mark` : `${name} = if_not_exists(${before}, :none)`
  }).reverse()
  const sets = [
    ...present.map(([name]) => `#${name} = :${name}`),
    ...marks,
    '#version = if_not_exists(#version, :zero) + :one',
  ]
  const conditions = {
    absent: 'attribute_not_exists(pk)',
    version: '#version = :expected',
  }
  return {
    Key: keyOf(kind, id),
    UpdateExpression: `SET ${sets.join(', ')} REMOVE ${gone.map(name => `#${name}`).join(', ')}`,
    ...(expect !== undefined && {
      ConditionExpression: expect === 'absent' ? conditions.absent : conditions.version,
    }),
    ExpressionAttributeNames: Object.fromEntries(
      [...Object.keys(fields), 'version'].map(name => [`#${name}`, name]),
    ),
    ExpressionAttributeValues: {
      ...Object.fromEntries(present.map(([name, value]) => [`:${name}`, value])),
      ':mark': { S: mark },
      ':none': { S: '-' },
      ':zero': { N: '0' },
      ':one': { N: '1' },
      ...(typeof expect === 'number' && { ':expected': { N: String(expect) } }),
    },
    ReturnValues: 'UPDATED_OLD',
  }
}

export const createDynamoStore = ({ client, bucket, table, clock }: DynamoStoreOptions): Store => {
  const call = <T>(action: string, body: object, repeat?: 'always' | 'if-refused') =>
    client.call('dynamodb', action, { TableName: table(), ...body }, repeat) as Promise<T>
  const read = async (kind: string, id: string): Promise<Item | undefined> => {
    const Key = keyOf(kind, id)
    if (isTooLong(Key.pk.S)) return undefined
    return (await call<ItemAnswer>('GetItem', { Key, ConsistentRead: true })).Item
  }

  const unpacked = async (item: Item): Promise<StoredRecord | undefined> => {
    const body = await unpackBody(bucket, item)
    return body === undefined ? undefined : { id: item.id.S, body, version: Number(item.version.N) }
  }
  /** Leaves of a body that nothing names any more. */
  const forget = async ({ far }: PackedBody): Promise<void> => {
    if (far) await farBodies.remove(far.S)
  }

  const write = async (
    record: StoreRecord,
    expect: 'absent' | number | undefined,
  ): Promise<number | undefined> => {
    const { kind, id } = record
    const mark = crypto.randomUUID()
    const before = expect === 'absent' ? 0 : (expect ?? 0)
    let isUnsure = false
    for (let attempts = 1; ; attempts++) {
      // A body in the bucket is another at each attempt: who found the record of the last one may have removed it with its body.
      const packed = await packBody(record.body, bytes => farBodies.put(record, bytes))
      try {
        const update = toUpdate(record, expect, packed, mark)
        const { Attributes: old } = await call<WriteAnswer>(
          'UpdateItem',
          update,
          packed.far ? 'if-refused' : 'always',
        )
        if (old) await forget(old)
        return Number(old?.version?.N ?? 0) + 1
      } catch (error) {
        if (!(error instanceof AwsError)) throw error
        isUnsure ||= error.isUnsure
        if (error.code === 'ConditionalCheckFailedException') {
          const isOurs = isUnsure && (await cameThrough(kind, id, mark, before + 1, error))
          await forget(packed)
          return isOurs ? before + 1 : undefined
        }
        if (!packed.far || !error.isUnsure || attempts >= MOST_FAR_ATTEMPTS) throw error
        await clock.sleep(attempts * FAR_PAUSE_MS)
      }
    }
  }

  /**
   * Whether a write was carried out, though the repetition of it was refused.
   * @param version that it would have made
   * @throws when so much has been written since that its mark would have been pushed out
   */
  const cameThrough = async (
    kind: string,
    id: string,
    mark: string,
    version: number,
    error: AwsError,
  ): Promise<boolean> => {
    const item = await read(kind, id)
    if (!item) return false
    if (MARKS.some(name => item[name]?.S === mark)) return true
    if (Number(item.version.N) - version >= MARKS.length) throw error
    return false
  }

  const store: Store = {
    async get(kind, id) {
      for (let looks = 0; looks < MOST_LOOKS; looks++) {
        const item = await read(kind, id)
        if (!item) return undefined
        const record = await unpacked(item)
        if (record) return record
      }
      throw new Error(`The body of a ${kind} is not in the bucket.`)
    },
    put: write,
    async putAll(records) {
      await forEach(records, AT_ONCE, async record => {
        await write(record, undefined)
      })
    },
    async delete(kind, id) {
      const { Attributes: old } = await call<WriteAnswer>('DeleteItem', {
        Key: keyOf(kind, id),
        ReturnValues: 'ALL_OLD',
      })
      if (old) await forget(old)
    },
    async list(query) {
      const { kind, slot, partition, order, limit } = query
      const range = rangeOf(query)
      if (!range || isTooLong(partitionOf(kind, partition))) return []
      const found: Item[] = []
      let start: object | undefined
      do {
        const page = await call<QueryAnswer>('Query', {
          IndexName: `by_${slot}`,
          KeyConditionExpression: `#partition = :partition${range.test}`,
          ExpressionAttributeNames: {
            '#partition': `${slot}_partition`,
            ...(range.test !== '' && { '#sort': `${slot}_sort` }),
          },
          ExpressionAttributeValues: { ':partition': { S: partitionOf(kind, partition) }, ...range.values },
          ScanIndexForward: order === 'asc',
          // Both ends of a range are read, and left out here.
          Limit: limit - found.length + range.ends.length,
          ...(start && { ExclusiveStartKey: start }),
        })
        const items = (page.Items ?? []) as (Item & Record<string, { S: string }>)[]
        found.push(...items.filter(item => !range.ends.includes(item[`${slot}_sort`]?.S ?? '')))
        start = page.LastEvaluatedKey
      } while (start && found.length < limit)
      const records: (StoredRecord | undefined)[] = []
      await forEach([...found.slice(0, limit).entries()], AT_ONCE, async ([index, item]) => {
        // An index lags behind: what it names may have been written anew, and its far body be gone.
        records[index] = (await unpacked(item)) ?? (await store.get(kind, item.id.S))
      })
      return records.filter(record => record !== undefined)
    },
    sweep: limit => farBodies.sweep(limit),
  }
  const farBodies = createFarBodies({
    store,
    bucket,
    clock,
    keyOf: async (kind, id) => (await read(kind, id))?.far?.S,
  })
  return store
}
