import { create } from '@bufbuild/protobuf'
import type { PortPlan } from '../../../../agent/drivers/network/port.ts'
import { tapName } from '../../../../agent/plan/names.ts'
import { type Network, NetworkSchema } from '../../../../proto/gen/berth/agent/v1/instance_pb.ts'

/** A network that no other test has; all of them have the same addresses. */
export function labNetwork(number: number): Network {
  const digits = number.toString(16).padStart(4, '0')
  return create(NetworkSchema, {
    uid: `0192a5b0-0000-7000-8000-1ab0000${digits}0`,
    id: `lab-${number}`,
    ipv4Cidr: '10.77.0.0/24',
    serviceIpv4: '10.77.0.2',
    serviceMac: '02:5b:00:00:00:02',
    mtu: 1450,
    domain: 'lab.internal',
  })
}

/** The number decides uid, tap, MAC and address. */
export function labPort(network: Network, number: number): PortPlan {
  const digits = number.toString(16).padStart(2, '0')
  // Two networks may have guests of the same number: their taps differ by the network's digits.
  const instanceUid = `0192a5b0-0000-7000-9000-${network.uid.slice(-9, -1)}00${digits}`
  return {
    instanceUid,
    tap: tapName(instanceUid, 0),
    macAddress: `02:5b:00:00:01:${digits}`,
    ipv4Address: `10.77.0.${number}`,
    ipv6Address:
      network.ipv6Cidr === '' ? '' : network.ipv6Cidr.replace('::/64', `::a4d:${number.toString(16)}`),
    hostname: `guest-${number}`,
    network,
    ownerUid: 200_000 + number,
  }
}
