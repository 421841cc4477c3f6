import type { Clock } from '../../../lib/clock.ts'
import { deviceIdOf, fileNodeOf, planQemuDisk, type QemuDisk } from '../../plan/qemu-disk.ts'
import type { Monitors } from './monitors.ts'
import { type HypervisorDriver, HypervisorError } from './port.ts'
import { type QmpClient, QmpError } from './qmp-client.ts'

type HotPlug = Pick<HypervisorDriver, 'plugDisk' | 'unplugDisk' | 'resizeDisk'>

/** For the guest to let go of a device. */
const unplugTimeoutMs = 20_000

/**
 * Disks of guests that run, over QMP. Each call looks at what is there already: one that a killed agent has begun is
 * finished by the next.
 */
export function createHotPlug({ monitors, clock }: { monitors: Monitors; clock: Clock }): HotPlug {
  const unplug: HotPlug['unplugDisk'] = async (guest, { deviceName, signal }) => {
    const monitor = await monitors.get(guest.paths.qmpSocket)
    const device = deviceIdOf(deviceName)
    if ((await listDevices(monitor)).has(device)) await removeDevice(monitor, { device, signal, clock })
    await removeNodes(monitor, deviceName)
  }

  return {
    unplugDisk: unplug,
    plugDisk: async (guest, { disk, ...at }) => {
      const monitor = await monitors.get(guest.paths.qmpSocket)
      try {
        await plug(monitor, planQemuDisk(disk, at))
      } catch (thrown) {
        // What refused its device keeps no file open.
        if (thrown instanceof QmpError) await removeNodes(monitor, disk.deviceName)
        throw thrown instanceof QmpError
          ? new HypervisorError('PLUG_REFUSED', `${thrown.message}.`, { cause: thrown })
          : thrown
      }
    },
    resizeDisk: async (guest, { deviceName, sizeBytes }) => {
      const monitor = await monitors.get(guest.paths.qmpSocket)
      await monitor.execute('block_resize', { 'node-name': deviceName, size: sizeBytes })
    },
  }
}

async function plug(monitor: QmpClient, { deviceName, file, format, device, controller }: QemuDisk) {
  const devices = await listDevices(monitor)
  if (devices.has(deviceIdOf(deviceName))) return
  const nodes = await listNodes(monitor)
  if (!nodes.has(fileNodeOf(deviceName))) await monitor.execute('blockdev-add', file)
  if (!nodes.has(deviceName)) await monitor.execute('blockdev-add', format)
  if (controller && !devices.has(String(controller['id']))) await monitor.execute('device_add', controller)
  await monitor.execute('device_add', device)
}

/** Resolves once the guest has let go. */
async function removeDevice(
  monitor: QmpClient,
  { device, signal, clock }: { device: string; signal: AbortSignal; clock: Clock },
): Promise<void> {
  const ending = Promise.withResolvers<'deleted' | 'refused' | 'silent' | 'aborted'>()
  const stop = monitor.onEvent(({ event, data }) => {
    if (data['device'] !== device) return
    if (event === 'DEVICE_DELETED') ending.resolve('deleted')
    if (event === 'DEVICE_UNPLUG_GUEST_ERROR') ending.resolve('refused')
  })
  const cancel = clock.after(unplugTimeoutMs, () => ending.resolve('silent'))
  const abort = () => ending.resolve('aborted')
  signal.addEventListener('abort', abort)
  try {
    await monitor.execute('device_del', { id: device })
    const end = await ending.promise
    signal.throwIfAborted()
    if (end === 'deleted') return
    const how = end === 'refused' ? 'refused to let go' : `did not answer in ${unplugTimeoutMs / 1000} s`
    throw new HypervisorError('UNPLUG_REFUSED', `The guest was asked to let go of the disk and ${how}.`)
  } finally {
    stop()
    cancel()
    signal.removeEventListener('abort', abort)
  }
}

/** The format before the file that it rests on. */
async function removeNodes(monitor: QmpClient, deviceName: string): Promise<void> {
  const nodes = await listNodes(monitor)
  for (const node of [deviceName, fileNodeOf(deviceName)]) {
    if (nodes.has(node)) await monitor.execute('blockdev-del', { 'node-name': node })
  }
}

export async function listNodes(monitor: QmpClient): Promise<ReadonlySet<string>> {
  const nodes = await monitor.execute('query-named-block-nodes', { flat: true })
  return new Set((nodes as readonly { 'node-name': string }[]).map((node) => node['node-name']))
}

async function listDevices(monitor: QmpClient): Promise<ReadonlySet<string>> {
  const devices = await monitor.execute('qom-list', { path: '/machine/peripheral' })
  return new Set((devices as readonly { name: string }[]).map(({ name }) => name))
}
