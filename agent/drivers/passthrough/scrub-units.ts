// Where systemd is process 1: the operator's program runs in a unit of its own, which goes on while the agent is restarted.
// The unit stays when the program has ended, with how it ended, until an agent has read that. It is removed before its word is
// taken: whoever is killed in between has the device emptied once more, and no later guest's device is called empty by it.
import type { Clock } from '../../../lib/clock.ts'
import { describeCauses } from '../../../lib/log.ts'
import type { PciAddress } from '../../../proto/ids.ts'
import { type Exec, ExecError } from '../../host/ports.ts'
import { deviceUnitName, deviceUnitProperties, isUnitTaken } from './device-unit.ts'
import { ScrubError, type Scrubs, scrubTimeoutMs } from './scrubs.ts'

/** Later than the program is killed, so that it is known why. */
const patienceMs = scrubTimeoutMs + 10_000
const firstPollMs = 50
const lastPollMs = 5000

const shown = ['LoadState', 'ActiveState', 'SubState', 'Description', 'Result', 'ExecMainStatus'] as const

/** What a unit is for, which tells it from those of other guests' ends. */
export const describeScrub = (address: PciAddress, sinceUnixMs: number) =>
  `Removal of what a guest has left in ${address} at ${new Date(sinceUnixMs).toISOString()}`

/** For systemd-run, which returns once the program has begun. */
export function renderScrubUnit(
  address: PciAddress,
  sinceUnixMs: number,
  program: string,
): readonly string[] {
  return [
    ...['--quiet', '--no-ask-password', `--unit=${deviceUnitName('berth-device-scrub', address)}`],
    ...['--service-type=exec', '--remain-after-exit', `--description=${describeScrub(address, sinceUnixMs)}`],
    ...deviceUnitProperties(scrubTimeoutMs / 1000),
    ...['--', program, address],
  ]
}

export function createUnitScrubs(options: { exec: Exec; clock: Clock; program: string }): Scrubs {
  const { exec, clock, program } = options

  /** false where there is one by now. */
  const begin = async (address: PciAddress, sinceUnixMs: number): Promise<boolean> => {
    try {
      await exec.run('systemd-run', renderScrubUnit(address, sinceUnixMs, program))
      return true
    } catch (thrown) {
      if (!(thrown instanceof ExecError) || thrown.kind !== 'exit') throw thrown
      if (isUnitTaken(thrown)) return false
      throw new ScrubError(describeCauses(thrown), { cause: thrown })
    }
  }

  return {
    scrub: async (address, sinceUnixMs) => {
      const unit = deviceUnitName('berth-device-scrub', address)
      const untilMs = clock.monotonicMs() + patienceMs
      let isBegun = false
      for (let pollMs = firstPollMs; ; pollMs = Math.min(2 * pollMs, lastPollMs)) {
        const state = await readUnit(exec, unit)
        const isOwn = state.description === describeScrub(address, sinceUnixMs)
        if (state.kind === 'ended') {
          await removeUnit(exec, unit)
          if (isOwn && state.failure === undefined) return
          if (isOwn) throw new ScrubError(`${program} ${state.failure}`)
        } else if (state.kind === 'absent') {
          if (isBegun) throw new ScrubError(`${unit} was ended before it was done`)
          isBegun = await begin(address, sinceUnixMs)
        } else isBegun ||= isOwn
        if (clock.monotonicMs() >= untilMs) throw new ScrubError(`${unit} can't be ended`)
        await clock.sleep(pollMs)
      }
    },
  }
}

type ScrubUnit =
  | { readonly kind: 'absent' | 'running'; readonly description: string }
  /** Without a failure the program has done its work. */
  | { readonly kind: 'ended'; readonly description: string; readonly failure: string | undefined }

async function readUnit(exec: Exec, unit: string): Promise<ScrubUnit> {
  const { stdout } = await exec.run('systemctl', ['show', ...shown.map((name) => `--property=${name}`), unit])
  const properties = new Map(
    stdout.split('\n').map((line) => {
      const [name = '', ...value] = line.split('=')
      return [name, value.join('=')] as const
    }),
  )
  const [load, active, sub, description = '', result, status] = shown.map((name) => properties.get(name))
  if (load === 'not-found') return { kind: 'absent', description: '' }
  if (active === 'active' && sub === 'exited') return { kind: 'ended', description, failure: undefined }
  // One that is inactive is about to be forgotten.
  if (active !== 'failed') return { kind: 'running', description }
  const how = result === 'exit-code' ? `exited with ${status}` : `was ended (${result})`
  return { kind: 'ended', description, failure: `${how}: journalctl -u ${unit} has what it said` }
}

/** What has been removed meanwhile is what is wanted; both verbs say so by their exit code. */
async function removeUnit(exec: Exec, unit: string): Promise<void> {
  await exec.run('systemctl', ['stop', unit], { okCodes: [0, 5] })
  await exec.run('systemctl', ['reset-failed', unit], { okCodes: [0, 1] })
}
