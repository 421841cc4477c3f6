import type { MessageInitShape } from '@bufbuild/protobuf'
import type { UplinkSchema } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { Sysfs } from '../host/ports.ts'

export interface UplinkSettings {
  readonly interface: string
  readonly physicalNetwork: string
}

export interface Uplinks {
  readonly uplinks: readonly MessageInitShape<typeof UplinkSchema>[]
  /** In the settings and not on the host. */
  readonly missing: readonly string[]
}

/** What the settings name and the host has. */
export async function readUplinks(sysfs: Sysfs, settings: readonly UplinkSettings[]): Promise<Uplinks> {
  const found = await Promise.all(
    settings.map(async ({ interface: name, physicalNetwork }) => {
      const folder = `sys/class/net/${name}`
      const [mtu, members] = await Promise.all([
        sysfs.read(`${folder}/mtu`),
        sysfs.read(`${folder}/bonding/slaves`),
      ])
      if (mtu === undefined) return { missing: name }
      const words = (members ?? '').split(/\s+/).filter((word) => word !== '')
      return { uplink: { interface: name, physicalNetwork, mtu: Number(mtu), members: words } }
    }),
  )
  return {
    uplinks: found.flatMap(({ uplink }) => uplink ?? []),
    missing: found.flatMap(({ missing }) => missing ?? []),
  }
}
