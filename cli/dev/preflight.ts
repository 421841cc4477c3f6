// What a machine needs before real guests can run on it. In: nothing. Out: nothing, or a CliError that says what is
// missing, what to do, and what works without. May install Debian packages, through setup.sh, which says what and why.
import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { CliError, exitCodes } from '../exit-codes.ts'

const withoutIt = 'Without it, a simulated region works: npm run dev -- --simulate 20'

const notPossible = (message: string) =>
  new CliError(message, { exitCode: exitCodes.usage, lines: [withoutIt] })

export function assertRealGuestsPossible(): void {
  if (process.platform !== 'linux') throw notPossible('Real guests need Linux.')
  if (process.getuid?.() !== 0) {
    throw notPossible('Real guests need root, for networks and disks: run this again as root (sudo).')
  }
  assertTunDevice('/dev/net/tun')
  assertGuestPackages()
}

function assertTunDevice(path: string): void {
  try {
    closeSync(openSync(path, 'r+'))
  } catch (thrown) {
    const why = (thrown as NodeJS.ErrnoException).code ?? 'it does not open'
    const how = existsSync(path)
      ? 'in a container, allow the device (docker run --device /dev/net/tun --cap-add NET_ADMIN)'
      : 'load it with "modprobe tun", or in a container pass the device in'
    throw notPossible(`Guests' network interfaces need ${path}, and it can't be opened (${why}): ${how}.`)
  }
}

function assertGuestPackages(): void {
  const setup = join(import.meta.dirname, '../setup/setup.sh')
  const { status } = spawnSync('sh', [setup, 'guests'], { stdio: ['ignore', 2, 2] })
  if (status !== 0) throw notPossible('Programs for guests are missing; what to do is said above.')
}
