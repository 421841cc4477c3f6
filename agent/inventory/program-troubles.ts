import type { HostWarning } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import { type Exec, ExecError } from '../host/ports.ts'
import { toWarnings } from './warnings.ts'

interface Program {
  readonly name: string
  readonly versionFlag: string
  readonly debianPackage: string
}

/** Beside QEMU itself, which the host's facts tell of. Each says its version and does nothing. */
const programs: readonly Program[] = [
  { name: 'qemu-img', versionFlag: '--version', debianPackage: 'qemu-utils' },
  { name: 'ip', versionFlag: '-V', debianPackage: 'iproute2' },
  { name: 'tc', versionFlag: '-V', debianPackage: 'iproute2' },
  { name: 'nft', versionFlag: '--version', debianPackage: 'nftables' },
  { name: 'dnsmasq', versionFlag: '--version', debianPackage: 'dnsmasq-base' },
  { name: 'setpriv', versionFlag: '--version', debianPackage: 'util-linux' },
  { name: 'prlimit', versionFlag: '--version', debianPackage: 'util-linux' },
  { name: 'unshare', versionFlag: '--version', debianPackage: 'util-linux' },
  { name: 'sysctl', versionFlag: '--version', debianPackage: 'procps' },
]

/** Programs without which something fails only once a guest needs it. */
export const findProgramTroubles = (exec: Exec) => findMissing(exec, programs)

export async function findMissing(exec: Exec, wanted: readonly Program[]): Promise<readonly HostWarning[]> {
  const found = await Promise.all(
    wanted.map(async ({ name, versionFlag, debianPackage }) => {
      const trouble = await findTrouble(exec, name, versionFlag)
      return toWarnings([
        [
          trouble !== undefined,
          'PROGRAM_MISSING',
          `${trouble}: guests need it. Install ${debianPackage}, and see that the agent's PATH has it.`,
        ],
      ])
    }),
  )
  return found.flat()
}

async function findTrouble(exec: Exec, name: string, versionFlag: string): Promise<string | undefined> {
  try {
    await exec.run(name, [versionFlag])
    return undefined
  } catch (thrown) {
    if (!(thrown instanceof ExecError)) throw thrown
    return thrown.kind === 'not-found' ? `${name} is not installed` : `${name} does not run`
  }
}
