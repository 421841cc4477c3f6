import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire'
import { SessionResponseSchema } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { QueuedCommand } from '../model/queued-command.ts'

const { number } = SessionResponseSchema.field.command

/** What a session says to its host, encoded, around a command that is encoded already. */
export const encodeResponse = ({ encoded }: QueuedCommand): Uint8Array =>
  new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(encoded).finish()
