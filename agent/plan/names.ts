// Names on the host. An interface's name has at most 15 characters; the last hex digits of a UUID v7 are random,
// its first are a clock and collide.

function tail(uid: string, length: number): string {
  return uid.replaceAll('-', '').slice(-length)
}

/** bt + 10 hex + n + index: 14 characters up to NIC 9. */
export const tapName = (instanceUid: string, nicIndex: number) => `bt${tail(instanceUid, 10)}n${nicIndex}`
export const bridgeName = (networkUid: string) => `bb${tail(networkUid, 10)}`
/** The VLAN of a network on the host's uplink. */
export const uplinkPortName = (networkUid: string) => `bv${tail(networkUid, 10)}`
/** The service veth: the bridge's end and, in the namespace, the services' end. */
export const servicePortName = (networkUid: string) => `bs${tail(networkUid, 10)}`
export const serviceInterfaceName = 'svc0'
export const namespaceName = (networkUid: string) => `berth-${tail(networkUid, 10)}`
/** The veth by which a network's namespace reaches the host, and through it the outside. */
export const gatewayPortName = (networkUid: string) => `bg${tail(networkUid, 10)}`
export const gatewayInterfaceName = 'gw0'
/** The table of family ip that holds what passes that veth on the host. */
export const gatewayTableName = (networkUid: string) => `berth-gw-${tail(networkUid, 10)}`
/** What there is once: in a network's namespace its NAT, on the host what guards its forwarding. */
export const sharedGatewayTableName = 'berth-gateway'
/** The netdev table that holds the filter of a tap, or of an uplink's port. */
export const filterTableName = (port: string) => `berth-${port}`
/** The table of family bridge that holds what members of a network may receive. */
export const firewallTableName = (networkUid: string) => `berth-fw-${tail(networkUid, 10)}`
export const guestUnitName = (instanceUid: string) => `berth-vm@${instanceUid}.service`
/** Of a guest that libvirt runs. */
export const domainName = (instanceUid: string) => `berth-${instanceUid}`
export const guestSlice = 'berth-guests.slice'
