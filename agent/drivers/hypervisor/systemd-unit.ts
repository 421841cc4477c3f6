import type { Exec, Processes } from '../../host/ports.ts'
import { guestSlice, guestUnitName } from '../../plan/names.ts'
import { HypervisorError } from './port.ts'
import type { ProcessPlan, Supervision } from './supervision.ts'
import { renderUnprivileged } from './unprivileged.ts'

const devices = ['/dev/net/tun', '/dev/vhost-net', '/dev/kvm', '/dev/vfio/vfio', '/dev/urandom', 'char-vfio']

/**
 * What stays closed to a guest that has broken out of QEMU, whose own sandbox is one such door already. Left open are
 * memory that is written and then run, which the emulator needs, and the directories that the settings name, which may lie
 * in /tmp or somebody's home; the network is not the unit's own, for QEMU opens a tap of the host's.
 */
const restrictions = [
  'NoNewPrivileges=yes',
  // setpriv's own, which it gives up with the user.
  'CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_SETPCAP',
  // QMP; a tap is a device.
  'RestrictAddressFamilies=AF_UNIX',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'LockPersonality=yes',
  'SystemCallArchitectures=native',
  'SystemCallFilter=~@clock @cpu-emulation @debug @module @mount @obsolete @raw-io @reboot @swap',
  'SystemCallErrorNumber=EPERM',
  'ProtectSystem=full',
  'ProtectKernelTunables=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelLogs=yes',
  'ProtectControlGroups=yes',
  'ProtectHostname=yes',
  'ProtectProc=invisible',
  // The agent's settings, which may hold its token.
  'InaccessiblePaths=-/etc/berth',
  'UMask=0077',
  // It would hold the guest's memory.
  'LimitCORE=0',
]

/** The transient unit of one guest, for systemd-run. */
export function renderSystemdRun(plan: ProcessPlan): readonly string[] {
  const properties = [
    `LimitMEMLOCK=${plan.memlockMib}M`,
    'DevicePolicy=closed',
    ...devices.map((device) => `DeviceAllow=${device} rw`),
    'Restart=no',
    // The agent asks QEMU itself; systemd ends only what did not listen.
    'TimeoutStopSec=90',
    'OOMPolicy=continue',
    ...restrictions,
  ]
  return [
    ...['--quiet', '--collect', `--unit=${guestUnitName(plan.instanceUid)}`, `--slice=${guestSlice}`],
    ...['--service-type=exec', '--no-ask-password'],
    ...properties.flatMap((property) => ['-p', property]),
    // systemd would take $ for the beginning of a variable.
    ...['--', ...renderUnprivileged(plan).map((arg) => arg.replaceAll('$', '$$$$'))],
  ]
}

/** Where systemd is process 1: each guest is a service of its own beside the agent's, and outlives it. */
export function createSystemdSupervision(options: { exec: Exec; processes: Processes }): Supervision {
  const { exec, processes } = options
  const endUnit = async (unit: string) => {
    // A unit that is gone already is what is wanted; both verbs say so by their exit code.
    await exec.run('systemctl', ['stop', unit], { okCodes: [0, 5] })
    await exec.run('systemctl', ['reset-failed', unit], { okCodes: [0, 1] })
  }
  return {
    launch: async (plan) => {
      const unit = guestUnitName(plan.instanceUid)
      await exec.run('systemd-run', renderSystemdRun(plan), { timeoutMs: plan.startTimeoutMs })
      try {
        const { stdout } = await exec.run('systemctl', ['show', '--property=MainPID', '--value', unit])
        const process = await processes.identify(Number(stdout.trim()))
        if (process) return { process, unit }
      } catch (thrown) {
        // Without a handle nobody else could end it.
        await endUnit(unit)
        throw thrown
      }
      throw new HypervisorError('START_FAILED', 'QEMU ended right after it had started.')
    },
    readLastWords: async (plan) => {
      const unit = guestUnitName(plan.instanceUid)
      const { stdout } = await exec.run(
        'journalctl',
        ['--quiet', '--no-pager', '-n', '5', '-o', 'cat', '-u', unit],
        { okCodes: [0, 1] },
      )
      return stdout
    },
    cleanUp: async ({ unit }) => {
      if (unit !== undefined) await endUnit(unit)
    },
  }
}
