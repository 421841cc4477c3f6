import { create } from '@bufbuild/protobuf'
import { type ServerReadableStream, type sendUnaryData, status } from '@grpc/grpc-js'
import {
  type SendBytesRequest,
  type SendBytesResponse,
  SendBytesResponseSchema,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { HostId } from '../../proto/ids.ts'
import type { PendingQueries, Transfer } from './pending-queries.ts'

export type BytesCall = ServerReadableStream<SendBytesRequest, SendBytesResponse>

/** Takes the bytes of one transfer, no more than were asked for. */
export function receiveBytes(
  call: BytesCall,
  { hostId, queries }: { hostId: HostId; queries: Pick<PendingQueries, 'openTransfer'> },
  respond: sendUnaryData<SendBytesResponse>,
): void {
  let transfer: Transfer | undefined
  let isDone = false
  const refuse = (code: status, details: string) => {
    if (isDone) return
    isDone = true
    respond({ code, details })
  }
  call.on('data', ({ transferId, chunk }: SendBytesRequest) => {
    if (isDone) return
    transfer ??= queries.openTransfer(hostId, transferId)
    if (transfer === undefined) refuse(status.NOT_FOUND, 'Nobody awaits this transfer.')
    else if (!transfer.append(chunk)) refuse(status.OUT_OF_RANGE, 'These are more bytes than were asked for.')
  })
  call.on('error', () => {
    isDone = true
  })
  call.on('end', () => {
    if (isDone) return
    isDone = true
    const receivedBytes = BigInt(transfer?.receivedBytes() ?? 0)
    respond(null, create(SendBytesResponseSchema, { receivedBytes }))
  })
}
