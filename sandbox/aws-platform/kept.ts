/**
 * What the gateway has really kept, read past it: items of DynamoDB, and objects of the deployment's bucket.
 * @module
 */
import { gunzipSync } from 'node:zlib'
import type { BucketContents } from '../aws/s3/store.ts'
import type { Kept } from '../stack-common.ts'
import type { AwsServices } from './services.ts'

/** An item, as far as it is read here: one of the attributes holds the record's body. */
interface Item {
  pk: { S: string }
  body?: { S: string }
  /** Base64 of a gzip. */
  zip?: { B: string }
  /** The key of an object, which is a gzip. */
  far?: { S: string }
}
interface Page {
  Items: Item[]
  LastEvaluatedKey?: object
}

const unzipped = (bytes: Uint8Array): string => gunzipSync(bytes).toString('utf8')

/** @param contents of the deployment's bucket, now */
export const keptBy = ({ direct, table, records }: AwsServices, contents: () => BucketContents): Kept => {
  const items = async (): Promise<Item[]> => {
    const all: Item[] = []
    let ExclusiveStartKey: object | undefined
    do {
      const page = (await direct('DynamoDB_20120810.Scan', {
        TableName: table,
        ConsistentRead: true,
        ...(ExclusiveStartKey && { ExclusiveStartKey }),
      })) as Page
      all.push(...page.Items)
      ExclusiveStartKey = page.LastEvaluatedKey
    } while (ExclusiveStartKey)
    return all
  }
  const bodyOf = ({ body, zip, far }: Item): string => {
    if (body) return body.S
    if (zip) return unzipped(Buffer.from(zip.B, 'base64'))
    const object = contents().objects.get(far?.S ?? '')
    return object ? unzipped(object.bytes) : ''
  }

  return {
    stored: () => {
      const { objects, openUploads } = contents()
      return { records: records(), objects: objects.size, openUploads }
    },
    async records(kind) {
      const all = await items()
      return all
        .filter(({ pk }) => kind === undefined || pk.S.startsWith(`${kind}#`))
        .map(item => JSON.parse(bodyOf(item)) as Record<string, unknown>)
    },
    async holding(text) {
      const inItems = (await items()).filter(item =>
        [JSON.stringify(item), bodyOf(item)].some(each => each.includes(text)),
      )
      const inObjects = [...contents().objects.values()].filter(({ bytes }) =>
        Buffer.from(bytes).includes(text),
      )
      return [...inItems.map(({ pk }) => pk.S), ...inObjects.map(({ key }) => key)]
    },
  }
}
