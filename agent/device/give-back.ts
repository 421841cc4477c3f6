// The way of a device back from a guest: reset, scrubbed, looked at, with its own driver again. Each step is journalled before
// it is done, so that whoever comes after a killed agent goes on where it was; what fails ends in quarantine with its reason.
import { describeCauses } from '../../lib/log.ts'
import { DeviceState } from '../../proto/gen/berth/agent/v1/device_pb.ts'
import type { DeviceRecord } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { pciAddress } from '../../proto/ids.ts'
import { type PassthroughDriver, PassthroughError } from '../drivers/passthrough/port.ts'
import { forgotten } from './device-record.ts'

export interface GiveBackContext {
  readonly passthrough: PassthroughDriver
  record(): DeviceRecord
  nowMs(): number
  /** Journalled, then told. */
  enter(state: DeviceState, change?: Partial<DeviceRecord>): Promise<void>
}

/** Ends FREE or QUARANTINED. @throws where the host failed and it may be tried again. */
export async function giveBack(context: GiveBackContext): Promise<void> {
  const { record, enter } = context
  if (record().state === DeviceState.BINDING || record().state === DeviceState.IN_USE) {
    await enter(DeviceState.RESETTING)
  }
  try {
    await goOn(context)
  } catch (thrown) {
    const isLate = context.nowMs() >= Number(record().deadlineUnixMs)
    // What the device itself refuses is final; anything else may be better at the next attempt, until its time is over.
    if (!(thrown instanceof PassthroughError) && !isLate) throw thrown
    const reason = thrown instanceof PassthroughError ? thrown.reason : 'HOST_ERROR'
    const message = `${describeCauses(thrown)} No guest gets it: see to it, and reset it.`
    await enter(DeviceState.QUARANTINED, { reason, message })
  }
}

async function goOn({ passthrough, record, enter }: GiveBackContext): Promise<void> {
  const address = pciAddress(record().address)
  if (record().state === DeviceState.RESETTING) {
    // The host has booted since, and its own driver was faster: resetting the device would pull it away from that.
    const isHosts = !['', 'vfio-pci'].includes(await passthrough.readDriver(address))
    if (!isHosts) await passthrough.reset(address)
    await enter(DeviceState.SCRUBBING)
  }
  if (record().state === DeviceState.SCRUBBING) {
    const { project, unscrubbedProject, enteredAtUnixMs } = record()
    const isScrubbed = await passthrough.scrub(address, Number(enteredAtUnixMs))
    // Of several guests without a scrubbing in between, the last one alone could not tell whose data it holds.
    const left = unscrubbedProject === '' || project === unscrubbedProject ? project : '*'
    await enter(DeviceState.VERIFYING, { unscrubbedProject: isScrubbed ? '' : left })
  }
  if (record().state !== DeviceState.VERIFYING) return
  const { health, formerDriver } = record()
  if (health !== undefined) await passthrough.verify(address, health)
  if (formerDriver !== undefined) await passthrough.ensureReleased(address, formerDriver.driver)
  if (record().quarantineAsked) {
    await enter(DeviceState.QUARANTINED, { reason: 'OPERATOR', message: record().message })
    return
  }
  await enter(DeviceState.FREE, forgotten)
}
