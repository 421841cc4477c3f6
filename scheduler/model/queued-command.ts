import { fromBinary } from '@bufbuild/protobuf'
import { type Command, CommandSchema } from '../../proto/gen/berth/agent/v1/session_pb.ts'

/** As it is in a host's outbox, and as it goes to the host: it is decoded only by who wants to know what it says. */
export interface QueuedCommand {
  readonly sequence: number
  /** A Command. */
  readonly encoded: Uint8Array
}

export const decodeCommand = ({ encoded }: QueuedCommand): Command => fromBinary(CommandSchema, encoded)
