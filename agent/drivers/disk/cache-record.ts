import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'

const schema = Type.Object({
  gid: Type.Integer(),
  sizeBytes: Type.Integer(),
  /** Absent until the file was inspected as a disk image. */
  image: Type.Optional(
    Type.Object({
      format: Type.Union([Type.Literal('raw'), Type.Literal('qcow2')]),
      virtualBytes: Type.Integer(),
    }),
  ),
})

/** What the cache keeps beside a file; without it the file counts for nothing. */
export type CacheRecord = Static<typeof schema>

export const renderCacheRecord = (record: CacheRecord): string => JSON.stringify(record)

/** undefined where the bytes are no record. */
export function parseCacheRecord(content: Uint8Array): CacheRecord | undefined {
  try {
    return Value.Parse(schema, JSON.parse(new TextDecoder().decode(content)))
  } catch {
    return undefined
  }
}
