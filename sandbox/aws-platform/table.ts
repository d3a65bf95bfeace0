/**
 * The gateway's table, as its deployment creates it.
 * @module
 */

const index = (name: string) => ({
  IndexName: `by_${name}`,
  KeySchema: [
    { AttributeName: `${name}_partition`, KeyType: 'HASH' },
    { AttributeName: `${name}_sort`, KeyType: 'RANGE' },
  ],
  Projection: { ProjectionType: 'ALL' },
})

/** What `CreateTable` is sent. */
export const tableNamed = (TableName: string) => ({
  TableName,
  AttributeDefinitions: ['pk', 'a_partition', 'a_sort', 'b_partition', 'b_sort'].map(AttributeName => ({
    AttributeName,
    AttributeType: 'S',
  })),
  KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
  GlobalSecondaryIndexes: [index('a'), index('b')],
  BillingMode: 'PAY_PER_REQUEST',
})
