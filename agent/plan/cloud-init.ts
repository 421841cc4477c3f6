import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { parseSshKeys } from './ssh-keys.ts'

/** The four files that cloud-init's NoCloud asks for. All are answered, the unused ones empty: a 404 costs ten seconds. */
export interface NoCloudFiles {
  readonly 'meta-data': string
  readonly 'user-data': string
  readonly 'vendor-data': string
  readonly 'network-config': string
}

/** JSON is YAML that every YAML parser reads alike; written YAML is not. */
export function renderNoCloud(spec: InstanceSpec, nowMs: number): NoCloudFiles {
  const metadata = new Map(spec.metadata.map(({ key, value }) => [key, value]))
  return {
    'meta-data': `${JSON.stringify({
      'instance-id': spec.uid,
      'local-hostname': spec.hostname,
      'availability-zone': spec.zone,
      region: spec.region,
    })}\n`,
    'user-data': renderUserData(metadata),
    'vendor-data': renderVendorData(metadata, nowMs),
    'network-config': renderNetworkConfig(spec),
  }
}

const appendLists = [
  { name: 'list', settings: ['append'] },
  { name: 'dict', settings: ['no_replace', 'recurse_list'] },
  { name: 'str', settings: [] },
]

function renderUserData(metadata: ReadonlyMap<string, string>): string {
  const value = metadata.get('user-data') ?? ''
  if (metadata.get('user-data-encoding') !== 'base64') return value
  return new TextDecoder().decode(Uint8Array.from(atob(value), (character) => character.charCodeAt(0)))
}

/**
 * What Berth itself asks of the guest: the users of `ssh-keys`, and the startup script. It is vendor-data, so that the
 * tenant's user-data wins; lists are appended, so that a tenant who names users of his own loses none of these.
 */
function renderVendorData(metadata: ReadonlyMap<string, string>, nowMs: number): string {
  const users = parseSshKeys(metadata.get('ssh-keys') ?? '', nowMs).map(({ user, keys }) => ({
    name: user,
    groups: ['sudo'],
    sudo: 'ALL=(ALL) NOPASSWD:ALL',
    shell: '/bin/bash',
    lock_passwd: true,
    ssh_authorized_keys: keys,
  }))
  const script = metadata.get('startup-script')
  const config = {
    // cloud-init takes `merge_how` out when it reads this part, and forgets it; what it then goes by when it merges the
    // part with user-data is `merge_type`, which stays in only beside the other.
    merge_how: appendLists,
    merge_type: appendLists,
    // Without `default` the image's own user would go.
    ...(users.length > 0 ? { users: ['default', ...users] } : {}),
    ...(script === undefined ? {} : startupScript(script)),
  }
  return `#cloud-config\n${JSON.stringify(config)}\n`
}

/** Runs at every boot, as on GCE. */
function startupScript(script: string): object {
  const path = '/var/lib/cloud/scripts/per-boot/berth-startup-script'
  return { write_files: [{ path, permissions: '0755', content: script }] }
}

/** Addresses come by DHCP; which NIC is which is known by its MAC. */
function renderNetworkConfig(spec: InstanceSpec): string {
  const ethernets = Object.fromEntries(
    spec.nics.map((nic, index) => [
      nic.name,
      {
        match: { macaddress: nic.macAddress },
        dhcp4: true,
        // Of several ways outside the first NIC's is taken.
        ...(index > 0 ? { 'dhcp4-overrides': { 'route-metric': 100 + 100 * index } } : {}),
        ...(nic.ipv6Address === '' ? {} : { dhcp6: true }),
        ...(nic.network?.mtu ? { mtu: nic.network.mtu } : {}),
      },
    ]),
  )
  return `${JSON.stringify({ version: 2, ethernets })}\n`
}
