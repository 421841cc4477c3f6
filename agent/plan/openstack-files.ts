// What OpenStack's metadata service would say of an instance: files below a version, those that are not there left out. Pure.
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { renderNoCloud } from './cloud-init.ts'
import { networkMtu } from './dnsmasq-config.ts'
import { parseSshKeys } from './ssh-keys.ts'

export function renderOpenstackFiles(spec: InstanceSpec, nowMs: number): Readonly<Record<string, string>> {
  const metadata = new Map(spec.metadata.map(({ key, value }) => [key, value]))
  const { 'user-data': userData, 'vendor-data': vendorData } = renderNoCloud(spec, nowMs)
  const users = parseSshKeys(metadata.get('ssh-keys') ?? '', nowMs)
  const json = (value: object) => `${JSON.stringify(value)}\n`
  return {
    'meta_data.json': json({
      uuid: spec.uid,
      name: spec.id,
      hostname: spec.hostname,
      availability_zone: spec.zone,
      project_id: spec.project,
      launch_index: 0,
      ...(users.length === 0
        ? {}
        : { public_keys: Object.fromEntries(users.map(({ user, keys }) => [user, keys.join('\n')])) }),
      meta: Object.fromEntries([...metadata].filter(([key]) => !special.has(key))),
    }),
    'network_data.json': json(renderNetwork(spec)),
    ...(userData === '' ? {} : { user_data: userData }),
    'vendor_data.json': json({ 'cloud-init': vendorData }),
  }
}

/** Not facts for the guest's software, but orders to what sets the guest up. */
const special: ReadonlySet<string> = new Set([
  ...['ssh-keys', 'user-data', 'user-data-encoding', 'startup-script'],
])

function renderNetwork({ nics }: InstanceSpec) {
  return {
    links: nics.map((nic) => ({
      ...{ id: nic.name, type: 'phy', ethernet_mac_address: nic.macAddress },
      mtu: nic.network === undefined ? null : networkMtu(nic.network),
    })),
    networks: nics.flatMap((nic) => [
      { id: `${nic.name}-ipv4`, type: 'ipv4_dhcp', link: nic.name, network_id: nic.network?.uid },
      ...(nic.ipv6Address === ''
        ? []
        : [
            {
              ...{ id: `${nic.name}-ipv6`, type: 'ipv6_dhcpv6-stateful' },
              ...{ link: nic.name, network_id: nic.network?.uid },
            },
          ]),
    ]),
    services: [],
  }
}
