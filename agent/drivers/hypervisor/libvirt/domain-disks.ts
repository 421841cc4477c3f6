import type { Clock } from '../../../../lib/clock.ts'
import type { Files } from '../../../host/ports.ts'
import {
  deviceAlias,
  diskElement,
  findDiskProblem,
  scsiControllerElement,
  targetName,
} from '../../../plan/domain-disk.ts'
import { isScsi } from '../../../plan/pinned.ts'
import { type Element, renderXml } from '../../../plan/xml.ts'
import { type DiskPlan, type GuestHandle, type HypervisorDriver, HypervisorError } from '../port.ts'
import { type Virsh, VirshError } from './virsh.ts'

/** For the guest to let go of a device. */
const unplugTimeoutMs = 20_000
const unplugPollMs = 200
const letters = 26

/** Disks of guests that run. Each call looks at what is there already: one that a killed agent has begun is finished by the next. */
export function createDomainDisks(doors: {
  readonly virsh: Virsh
  readonly files: Files
  readonly clock: Clock
}): Pick<HypervisorDriver, 'plugDisk' | 'unplugDisk' | 'resizeDisk'> {
  const { virsh, files, clock } = doors
  /** virsh reads it from a file. */
  const attach = async ({ instanceUid, paths }: GuestHandle, device: Element): Promise<void> => {
    await files.writeAtomic(paths.domainDevice, renderXml(device), { durable: false })
    try {
      await virsh(instanceUid, 'attach-device', [paths.domainDevice, '--live'])
    } finally {
      await files.remove(paths.domainDevice)
    }
  }
  return {
    plugDisk: async (guest, plan) => {
      const { instanceUid } = guest
      try {
        const disks = await listDisks(virsh, instanceUid)
        if (disks.some(({ alias }) => alias === deviceAlias(plan.disk.deviceName))) return
        const device = planDisk(plan, new Set(disks.map(({ target }) => target)))
        if (isScsi(plan.disk) && !(await hasScsi(virsh, instanceUid))) {
          await attach(guest, scsiControllerElement(plan.pinned))
        }
        await attach(guest, device)
      } catch (thrown) {
        if (!(thrown instanceof VirshError)) throw thrown
        throw new HypervisorError('PLUG_REFUSED', `libvirt refused the disk: ${thrown.message}.`, {
          cause: thrown,
        })
      }
    },
    unplugDisk: async ({ instanceUid }, { deviceName, signal }) => {
      const alias = deviceAlias(deviceName)
      const isThere = async () => (await listDisks(virsh, instanceUid)).some((disk) => disk.alias === alias)
      if (!(await isThere())) return
      // It asks, waits a moment, and says nothing of whether the guest has heard.
      await virsh(instanceUid, 'detach-device-alias', [alias, '--live'])
      for (const untilMs = clock.monotonicMs() + unplugTimeoutMs; await isThere(); ) {
        signal.throwIfAborted()
        if (clock.monotonicMs() > untilMs) {
          const message = `The guest was asked to let go of the disk and did not answer in ${unplugTimeoutMs / 1000} s.`
          throw new HypervisorError('UNPLUG_REFUSED', message)
        }
        await clock.sleep(unplugPollMs)
      }
    },
    resizeDisk: async ({ instanceUid }, { deviceName, sizeBytes }) => {
      const disks = await listDisks(virsh, instanceUid)
      const target = disks.find(({ alias }) => alias === deviceAlias(deviceName))?.target
      if (target === undefined) throw new Error(`The guest has no disk ${deviceName}.`)
      await virsh(instanceUid, 'blockresize', [target, `${sizeBytes}B`])
    },
  }
}

function planDisk(plan: DiskPlan, taken: ReadonlySet<string>): Element {
  const problem = findDiskProblem(plan.disk)
  if (problem !== undefined) throw new HypervisorError('PLUG_REFUSED', problem)
  const names = Array.from({ length: letters }, (_, index) => targetName(plan.disk, index))
  const target = names.find((name) => !taken.has(name))
  if (target === undefined) throw new HypervisorError('PLUG_REFUSED', 'Its machine takes no more disks.')
  return diskElement({ ...plan, target })
}

const hasScsi = async (virsh: Virsh, instanceUid: string) =>
  (await virsh(instanceUid, 'dumpxml')).includes("<controller type='scsi'")

interface LiveDisk {
  readonly alias: string
  readonly target: string
}

/** libvirt tells of aliases in the domain's definition only. */
async function listDisks(virsh: Virsh, instanceUid: string): Promise<readonly LiveDisk[]> {
  const definition = await virsh(instanceUid, 'dumpxml')
  const disks = definition.match(/<disk [\s\S]*?<\/disk>/g) ?? []
  return disks.flatMap((disk) => {
    const alias = /<alias name='([^']+)'\/>/.exec(disk)?.[1]
    const target = /<target dev='([^']+)'/.exec(disk)?.[1]
    return alias !== undefined && target !== undefined ? [{ alias, target }] : []
  })
}
