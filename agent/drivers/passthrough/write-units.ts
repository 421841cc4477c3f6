// Where systemd is process 1: each write to a device is a unit of its own beside the agent's. One that hangs is no child of
// the agent's, which can be stopped, restarted and upgraded meanwhile. The unit's name is the device's: of two writes to one
// device the second waits, also where the first is of an agent that is gone.
import type { Clock } from '../../../lib/clock.ts'
import { describeCauses } from '../../../lib/log.ts'
import { type PciAddress, pciAddress } from '../../../proto/ids.ts'
import { type Exec, ExecError } from '../../host/ports.ts'
import { DeviceWriteError, type DeviceWrites } from './writes.ts'

const timeoutMs = 30_000
/** Later than the agent has given up, so that it knows why; sooner than anybody tries again. */
const killAfterS = 35
const firstPollMs = 20
const lastPollMs = 1000

const unitPrefix = 'berth-device-write@'
const unitSuffix = '.service'
const unitOf = (address: PciAddress) => `${unitPrefix}${address}${unitSuffix}`

/** For systemd-run, which passes on its input and what is said. */
export function renderWriteUnit(address: PciAddress, path: string): readonly string[] {
  const properties = [
    `RuntimeMaxSec=${killAfterS}`,
    'KillSignal=SIGKILL',
    // The unit is there for as long as its process is.
    'TimeoutStopSec=infinity',
    // The host's shutdown waits neither for it nor for its slice.
    'DefaultDependencies=no',
    'Slice=system.slice',
  ]
  return [
    ...['--quiet', '--collect', '--wait', '--pipe', '--no-ask-password', `--unit=${unitOf(address)}`],
    ...properties.flatMap((property) => ['-p', property]),
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
      const unit = unitOf(address)
      const untilMs = clock.monotonicMs() + timeoutMs
      for (let pollMs = firstPollMs; ; pollMs = Math.min(2 * pollMs, lastPollMs)) {
        try {
          await exec.run('systemd-run', renderWriteUnit(address, path), { stdin: value, timeoutMs })
          return
        } catch (thrown) {
          if (!(thrown instanceof ExecError)) throw thrown
          if (thrown.kind === 'timeout') {
            throw new DeviceWriteError('hangs', `it hangs in the kernel (${await describeWriter(unit)})`)
          }
          if (!isTaken(thrown)) throw new DeviceWriteError('refused', describeCauses(thrown))
        }
        if (clock.monotonicMs() >= untilMs) {
          const who = await describeWriter(unit)
          throw new DeviceWriteError('hangs', `an earlier write to it still hangs in the kernel (${who})`)
        }
        await clock.sleep(pollMs)
      }
    },
    findLeftOver: async () => {
      const pattern = `${unitPrefix}*${unitSuffix}`
      const { stdout } = await exec.run('systemctl', [
        ...['list-units', '--all', '--full', '--plain', '--no-legend', pattern],
      ])
      const units = stdout
        .split('\n')
        .map((line) => line.split(' ')[0] ?? '')
        .filter((unit) => unit.startsWith(unitPrefix))
      return Promise.all(
        units.map(async (unit) => ({
          address: pciAddress(unit.slice(unitPrefix.length, -unitSuffix.length)),
          who: await describeWriter(unit),
        })),
      )
    },
  }
}

/** Also for the moment in which systemd has not forgotten yet a write that has ended. */
const isTaken = ({ stderr }: ExecError) =>
  /^Failed to start transient service unit: .* already loaded/m.test(stderr)
