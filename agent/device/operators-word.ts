// What an operator says of a device: keep it from guests, let it go to guests again, put it through the way back once more. Each is
// noted before it is acknowledged; what takes long follows, for the next command must not wait for it.
import { describeCauses } from '../../lib/log.ts'
import { DeviceAction, DeviceState } from '../../proto/gen/berth/agent/v1/device_pb.ts'
import { type Command, CommandOutcome } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { DeviceRecord } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { pciAddress } from '../../proto/ids.ts'
import type { PassthroughDriver } from '../drivers/passthrough/port.ts'
import type { DeviceBook } from './device-book.ts'
import { forgotten, inState } from './device-record.ts'

export interface WordContext {
  readonly book: DeviceBook
  readonly passthrough: PassthroughDriver
  readonly nowMs: () => number
  /** Goes on after the answer, and never throws. */
  giveBackInTime(address: string): void
  later(address: string, work: () => Promise<void>): void
}

interface CommandAnswer {
  readonly outcome: CommandOutcome
  readonly message: string
}
type Said = Pick<DeviceRecord, 'generation' | 'epoch' | 'requestId'>

const accepted: CommandAnswer = { outcome: CommandOutcome.ACCEPTED, message: '' }
const invalid = (message: string): CommandAnswer => ({ outcome: CommandOutcome.INVALID, message })
const unsupported = (message: string): CommandAnswer => ({ outcome: CommandOutcome.UNSUPPORTED, message })

export async function takeWord(context: WordContext, command: Command): Promise<CommandAnswer> {
  const { body, uid: address, generation, epoch, requestId } = command
  if (body.case !== 'ensureDevice') return unsupported('it is no command for a device')
  const known = context.book.recordOf(address)
  if (generation <= known.generation) {
    return { outcome: CommandOutcome.STALE, message: `it is at generation ${known.generation}` }
  }
  const said = { generation, epoch, requestId }
  const { action, reason } = body.value
  switch (action) {
    case DeviceAction.QUARANTINE:
      await quarantine(context, address, { ...said, message: reason || 'An operator keeps it from guests.' })
      return accepted
    case DeviceAction.RELEASE:
      return release(context, address, said)
    case DeviceAction.RESET:
      return reset(context, address, said)
    default:
      return unsupported('this agent does not know the action')
  }
}

const isWithNobody = ({ state }: DeviceRecord) =>
  state === DeviceState.FREE || state === DeviceState.QUARANTINED

/** A guest that has it keeps it until it ends. */
function quarantine({ book, nowMs }: WordContext, address: string, said: Said & { message: string }) {
  return book.change(address, (before) =>
    isWithNobody(before)
      ? inState(before, DeviceState.QUARANTINED, { ...said, reason: 'OPERATOR', nowMs: nowMs() })
      : { ...before, ...said, reason: 'QUARANTINE_ASKED', quarantineAsked: true },
  )
}

/** The operator answers for it: it is neither reset nor looked at. */
async function release(context: WordContext, address: string, said: Said): Promise<CommandAnswer> {
  const { book, passthrough } = context
  const record = book.recordOf(address)
  if (!isWithNobody(record)) {
    if (!record.quarantineAsked) {
      return invalid(`instance ${record.instanceUid} has it: it is released once that has ended`)
    }
    const unasked = { ...said, quarantineAsked: false, reason: '', message: '' }
    await book.change(address, (before) => ({ ...before, ...unasked }))
    return accepted
  }
  const free = { ...said, ...forgotten, quarantineAsked: false, unscrubbedProject: '' }
  const { formerDriver } = record
  if (record.state === DeviceState.FREE || formerDriver === undefined) {
    await book.enter(address, DeviceState.FREE, free)
    return accepted
  }
  const message = `It is given back to ${formerDriver.driver || 'no driver'}, as an operator asks.`
  await book.enter(address, DeviceState.QUARANTINED, { ...said, reason: 'RELEASING', message })
  context.later(address, async () => {
    try {
      await passthrough.ensureReleased(pciAddress(address), formerDriver.driver)
      await book.enter(address, DeviceState.FREE, free)
    } catch (thrown) {
      const failure = { reason: 'RELEASE_FAILED', message: describeCauses(thrown) }
      await book.enter(address, DeviceState.QUARANTINED, failure)
    }
  })
  return accepted
}

async function reset(context: WordContext, address: string, said: Said): Promise<CommandAnswer> {
  const { book, passthrough } = context
  const record = book.recordOf(address)
  if (!isWithNobody(record)) {
    const who = `instance ${record.instanceUid} has it, or has just let go of it`
    return invalid(`${who}: reset it once it is free`)
  }
  try {
    const driver = await passthrough.readDriver(pciAddress(address))
    if (!['', 'vfio-pci'].includes(driver)) {
      return invalid(`driver ${driver} of the host has it: release it instead`)
    }
  } catch (thrown) {
    return invalid(describeCauses(thrown))
  }
  await book.enter(address, DeviceState.RESETTING, { ...said, quarantineAsked: false })
  context.giveBackInTime(address)
  return accepted
}
