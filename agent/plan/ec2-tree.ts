// What Amazon's metadata service would say of an instance: for software that asks it, whatever the image boots with. Pure.
import type { InstanceSpec, Nic } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { parseSshKeys } from './ssh-keys.ts'

/** A directory or a value. */
export type Ec2Tree = string | { readonly [name: string]: Ec2Tree }

/** The order of names is the order in which they are listed. Users of keys are lost: Amazon's know of no users. */
export function renderEc2Tree(spec: InstanceSpec, nowMs: number): Ec2Tree {
  const [first] = spec.nics
  const boot = spec.disks.find((disk) => disk.boot) ?? spec.disks[0]
  const sshKeys = spec.metadata.find(({ key }) => key === 'ssh-keys')?.value ?? ''
  const keys = parseSshKeys(sshKeys, nowMs).flatMap((user) => user.keys)
  return {
    'meta-data': {
      'ami-id': boot?.image?.id ?? '',
      'ami-launch-index': '0',
      'block-device-mapping': { ami: boot?.deviceName ?? '', root: boot?.deviceName ?? '' },
      hostname: spec.hostname,
      'instance-action': 'none',
      'instance-id': spec.uid,
      'instance-life-cycle': 'on-demand',
      'instance-type': spec.instanceType,
      'local-hostname': spec.hostname,
      ...(first === undefined ? {} : { 'local-ipv4': first.ipv4Address, mac: first.macAddress }),
      network: {
        interfaces: {
          macs: Object.fromEntries(
            spec.nics.map((nic, index) => [nic.macAddress, renderNic(nic, index, spec)]),
          ),
        },
      },
      placement: { 'availability-zone': spec.zone, region: spec.region },
      // A key that is listed and can't be read would cost cloud-init all of the meta-data: none, no list.
      ...(keys.length === 0
        ? {}
        : { 'public-keys': Object.fromEntries(keys.map((key, index) => [index, { 'openssh-key': key }])) }),
      tags: { instance: { Name: spec.id } },
    },
    dynamic: { 'instance-identity': { document: renderIdentity(spec, boot?.image?.id ?? '') } },
  }
}

function renderNic(nic: Nic, index: number, { hostname }: InstanceSpec): Ec2Tree {
  const { network } = nic
  return {
    'device-number': String(index),
    ...(nic.ipv6Address === '' ? {} : { ipv6s: nic.ipv6Address }),
    'local-hostname': hostname,
    'local-ipv4s': nic.ipv4Address,
    mac: nic.macAddress,
    ...(network === undefined ? {} : { 'subnet-ipv4-cidr-block': network.ipv4Cidr }),
    ...(network === undefined || network.ipv6Cidr === ''
      ? {}
      : { 'subnet-ipv6-cidr-blocks': network.ipv6Cidr }),
  }
}

/** Unsigned: whoever needs proof needs another document. */
function renderIdentity(spec: InstanceSpec, imageId: string): string {
  const document = {
    accountId: spec.project,
    architecture: 'x86_64',
    availabilityZone: spec.zone,
    imageId,
    instanceId: spec.uid,
    instanceType: spec.instanceType,
    pendingTime: spec.createdAt,
    privateIp: spec.nics[0]?.ipv4Address ?? null,
    region: spec.region,
    version: '2017-09-30',
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}
