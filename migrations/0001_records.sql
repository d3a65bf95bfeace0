-- Every durable record. Columns a_* and b_* are two index entries whose meaning each kind declares (docs/storage.md).
CREATE TABLE records (
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  body TEXT NOT NULL,
  a_partition TEXT,
  a_sort TEXT,
  b_partition TEXT,
  b_sort TEXT,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;

CREATE INDEX records_a ON records (kind, a_partition, a_sort) WHERE a_partition IS NOT NULL;
CREATE INDEX records_b ON records (kind, b_partition, b_sort) WHERE b_partition IS NOT NULL;
