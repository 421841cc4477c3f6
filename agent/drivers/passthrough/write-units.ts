// Where systemd is process 1: each write to a device is a unit of its own beside the agent's. One that hangs is no child of
// the agent's, which can be stopped, restarted and upgraded meanwhile. The unit's name is the device's: of two writes to one
// device the second waits, also where the first is of an agent that is gone.
import type { Clock } from '../../../lib/clock.ts'
import { describeCauses } from '../../../lib/log.ts'
import { type PciAddress, pciAddress } from '../../../proto/ids.ts'
import { type Exec, ExecError } from '../../host/ports.ts'
import { deviceUnitName, deviceUnitProperties, isUnitTaken } from './device-unit.ts'
import { DeviceWriteError, type DeviceWrites } from './writes.ts'

const timeoutMs = 30_000
/** Later than the agent has given up, so that it knows why; sooner than anybody tries again. */
const killAfterS = 35
const firstPollMs = 20
const lastPollMs = 1000

const unitPrefix = 'berth-device-write'
const unitPattern = new RegExp(`^${unitPrefix}@(\\S+)\\.service `, 'gm')

/** For systemd-run, which passes on its input and what is said. */
export function renderWriteUnit(address: PciAddress, path: string): readonly string[] {
  return [
    ...['--quiet', '--collect', '--wait', '--pipe', '--no-ask-password'],
    ...[`--unit=${deviceUnitName(unitPrefix, address)}`, ...deviceUnitProperties(killAfterS)],
    ...['--', 'tee', `/${path}`],
  ]
}

export function createUnitWrites({ exec, clock }: { exec: Exec; clock: Clock }): DeviceWrites {
  const describeWriter = async (unit: string) => {
    try {
      const { stdout } = await exec.run('systemctl', ['show', '--property=MainPID', '--value', unit])
      const pid = Number(stdout.trim())
      return pid > 0 ? `process ${pid} of ${unit}` : unit
    } catch (thrown) {
      if (thrown instanceof ExecError) return unit
      throw thrown
    }
  }

  return {
    write: async (address, path, value) => {
      const unit = deviceUnitName(unitPrefix, address)
      const untilMs = clock.monotonicMs() + timeoutMs
      for (let pollMs = firstPollMs; ; pollMs = Math.min(2 * pollMs, lastPollMs)) {
        try {
          await exec.run('systemd-run', renderWriteUnit(address, path), {
            ...{ stdin: value, timeoutMs, queue: 'device-writes' },
          })
          return
        } catch (thrown) {
          if (!(thrown instanceof ExecError)) throw thrown
          if (thrown.kind === 'timeout') {
            throw new DeviceWriteError('hangs', `it hangs in the kernel (${await describeWriter(unit)})`)
          }
          if (!isUnitTaken(thrown)) throw new DeviceWriteError('refused', describeCauses(thrown))
        }
        if (clock.monotonicMs() >= untilMs) {
          const who = await describeWriter(unit)
          throw new DeviceWriteError('hangs', `an earlier write to it still hangs in the kernel (${who})`)
        }
        await clock.sleep(pollMs)
      }
    },
    findLeftOver: async () => {
      const { stdout } = await exec.run('systemctl', [
        ...['list-units', '--all', '--full', '--plain', '--no-legend', `${unitPrefix}@*.service`],
      ])
      const addresses = [...stdout.matchAll(unitPattern)].map(([, address = '']) => pciAddress(address))
      return Promise.all(
        addresses.map(async (address) => ({
          address,
          who: await describeWriter(deviceUnitName(unitPrefix, address)),
        })),
      )
    },
  }
}
