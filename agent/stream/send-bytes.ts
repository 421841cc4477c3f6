import { create } from '@bufbuild/protobuf'
import type { Client, ClientWritableStream, Metadata, ServiceError } from '@grpc/grpc-js'
import { type SendBytesRequest, SendBytesRequestSchema } from '../../proto/gen/berth/agent/v1/session_pb.ts'

/** Resolves once the scheduler has all of it. */
export type SendBytes = (transferId: string, bytes: Uint8Array) => Promise<void>

const chunkBytes = 64 * 1024

/** Bulk data on a call of its own beside the session, so that it can't delay commands. */
export function sendBytesOver(client: Client, metadata: Metadata): SendBytes {
  const open = (client as unknown as Record<string, unknown>)['sendBytes'] as (
    metadata: Metadata,
    callback: (error: ServiceError | null) => void,
  ) => ClientWritableStream<SendBytesRequest>
  return async (transferId, bytes) =>
    new Promise<void>((resolve, reject) => {
      const call = open.call(client, metadata, (error) => (error ? reject(error) : resolve()))
      call.write(create(SendBytesRequestSchema, { transferId }))
      for (let start = 0; start < bytes.length; start += chunkBytes) {
        call.write(create(SendBytesRequestSchema, { chunk: bytes.subarray(start, start + chunkBytes) }))
      }
      call.end()
    })
}
