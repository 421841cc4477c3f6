import type { PciAddress } from '../../../proto/ids.ts'
import type { Sysfs } from '../../host/ports.ts'

/**
 * Programs that have a device open by one of its nodes, such as "nvidia-persistenced (process 812)". A driver that is
 * unbound under them waits for them, for good if need be. NVIDIA's nodes are numbered by its driver and not by address:
 * whoever has any of them open counts.
 */
export async function findHolders(
  sysfs: Sysfs,
  device: { readonly address: PciAddress; readonly driver: string; readonly group?: string | undefined },
): Promise<readonly string[]> {
  const drm = await sysfs.list(`sys/bus/pci/devices/${device.address}/drm`)
  const nodes = new Set([
    ...drm.map((name) => `/dev/dri/${name}`),
    ...(device.group === undefined ? [] : [`/dev/vfio/${device.group}`]),
  ])
  const isNode = (path: string) =>
    nodes.has(path) || (device.driver === 'nvidia' && /^\/dev\/nvidia(\d+|ctl|-modeset|-uvm)$/.test(path))
  const holders: string[] = []
  for (const pid of await sysfs.list('proc')) {
    if (!/^\d+$/.test(pid)) continue
    const files = await sysfs.list(`proc/${pid}/fd`)
    const targets = await Promise.all(files.map((file) => sysfs.readLink(`proc/${pid}/fd/${file}`)))
    if (!targets.some((target) => target !== undefined && isNode(target))) continue
    holders.push(`${(await sysfs.read(`proc/${pid}/comm`)) ?? 'a program'} (process ${pid})`)
  }
  return holders
}
