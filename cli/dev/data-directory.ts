// Owns the directory of a region on this machine: its layout, and the few values that must stay the same from one
// start to the next (the network's uid names bridges that outlive the daemons). Secrets are readable by the owner only.
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Random } from '../../lib/random.ts'
import { CliError, exitCodes } from '../exit-codes.ts'

export interface DataDirectory {
  readonly path: string
  readonly logs: string
  readonly agentState: string
  /** Short: the path of a unix socket has at most 107 bytes. */
  readonly agentRun: string
  readonly file: (name: string) => string
}

export interface RegionIdentity {
  readonly networkUid: string
  readonly agentToken: string
  readonly agentsPort: number
  readonly issuerPort: number
}

const longestRunPath = 48

export function dataDirectory(path: string): DataDirectory {
  const run = join(path, 'run')
  const hash = createHash('sha256').update(path).digest('hex').slice(0, 10)
  return {
    path,
    logs: join(path, 'logs'),
    agentState: join(path, 'agent'),
    agentRun: run.length <= longestRunPath ? run : `/run/berth-${hash}`,
    file: (name) => join(path, name),
  }
}

export function ensureDataDirectory(directory: DataDirectory): void {
  try {
    mkdirSync(directory.logs, { recursive: true })
  } catch (cause) {
    throw new CliError(`The directory ${directory.path} can't be made: choose another one with --data.`, {
      exitCode: exitCodes.usage,
      cause,
    })
  }
}

/** Guests run as users of their own, who have to get through to their files. */
export function assertReachableByGuests({ path }: DataDirectory): void {
  for (let current = path; current !== dirname(current); current = dirname(current)) {
    if ((statSync(current).mode & 0o001) === 0) {
      throw new CliError(
        `Guests run as users of their own, and ${current} lets only its owner through: choose another --data, such as /var/lib/berth-dev.`,
        { exitCode: exitCodes.usage },
      )
    }
  }
}

export function writePrivateFile(path: string, text: string): void {
  writeFileSync(path, text, { mode: 0o600 })
}

export function readRegionIdentity(directory: DataDirectory): RegionIdentity | undefined {
  try {
    return JSON.parse(readFileSync(directory.file('region.json'), 'utf8')) as RegionIdentity
  } catch {
    return undefined
  }
}

export async function ensureRegionIdentity(
  directory: DataDirectory,
  { random, choosePort }: { random: Random; choosePort: (before?: number) => Promise<number> },
): Promise<RegionIdentity> {
  const before = readRegionIdentity(directory)
  const identity: RegionIdentity = {
    networkUid: before?.networkUid ?? random.uuid(),
    agentToken: before?.agentToken ?? Buffer.from(random.bytes(24)).toString('base64url'),
    agentsPort: await choosePort(before?.agentsPort),
    issuerPort: await choosePort(before?.issuerPort),
  }
  writePrivateFile(directory.file('region.json'), JSON.stringify(identity))
  return identity
}
