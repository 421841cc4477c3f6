// The agent's settings file: every setting with its type and default.
import ipaddr from 'ipaddr.js'
import { type Static, Type } from 'typebox'
import { resourceIdPattern } from '../proto/ids.ts'

const closed = { additionalProperties: false } as const
const resourceId = Type.String({ maxLength: 63, pattern: resourceIdPattern })
const path = Type.String({ pattern: '^/' })
const interfaceName = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$' })
const ipv4Range = Type.String({ pattern: '^\\d{1,3}(\\.\\d{1,3}){3}/\\d{1,2}$' })

export const AgentSettings = Type.Object(
  {
    /** How the operator calls this host; never another host's. */
    hostId: resourceId,
    zone: resourceId,
    logLevel: Type.Enum(['debug', 'info', 'warn', 'error'], { default: 'info' }),
    scheduler: Type.Object(
      {
        /** host:port of the agents' listener. */
        address: Type.String({ pattern: '^.+:\\d{1,5}$' }),
        /** The secret shared with the scheduler; in a file of its own rather than here. */
        token: Type.Optional(Type.String({ minLength: 16 })),
        tokenFile: Type.Optional(path),
        /** PEM file of the authority that signed the scheduler's certificate; needed off loopback. */
        tls: Type.Optional(Type.Object({ authorityFile: path }, closed)),
      },
      closed,
    ),
    directories: Type.Object(
      { state: path, run: path },
      { ...closed, default: { state: '/var/lib/berth', run: '/run/berth' } },
    ),
    /**
     * Interfaces that carry networks with a VLAN to other hosts; bonds are the operator's. A physical network is named
     * alike on all hosts that it joins.
     */
    uplinks: Type.Array(
      Type.Object(
        {
          interface: interfaceName,
          physicalNetwork: Type.Intersect([resourceId], { default: 'default' }),
        },
        closed,
      ),
      { default: [] },
    ),
    /**
     * Makes the host a gateway: members of networks with internetAccess NAT reach the outside through it, with the host's
     * address. Without it such networks go to other hosts.
     */
    gateway: Type.Optional(
      Type.Object(
        {
          /** The only one by which they leave; best one that nothing trusts. */
          interface: interfaceName,
          /** Private ranges are closed to guests, but for these. The host itself and link-local addresses stay closed. */
          allowedRanges: Type.Array(ipv4Range, { default: [] }),
          /** Public ranges that are closed to guests, such as that of the operator's own machines. */
          deniedRanges: Type.Array(ipv4Range, { default: [] }),
          /** Whom the networks' name service asks; none of the host's own. Without one guests know no names outside. */
          nameServers: Type.Array(Type.String({ pattern: '^\\d{1,3}(\\.\\d{1,3}){3}$' }), { default: [] }),
        },
        closed,
      ),
    ),
    /** auto: KVM where it really works. */
    accelerator: Type.Enum(['auto', 'kvm', 'tcg'], { default: 'auto' }),
    /**
     * Empties a GPU between guests: called with its PCI address while vfio-pci has it, exits 0 once nothing of the last
     * guest is left in it. Without one such a GPU says that it is unscrubbed, and its zone decides who gets it.
     */
    scrubProgram: Type.Optional(path),
    /**
     * NVSwitches join all GPUs of the host, and NVIDIA Fabric Manager runs in shared NVSwitch mode (FABRIC_MODE=1): each guest
     * gets a partition of them, which is active while it runs.
     */
    fabricManager: Type.Optional(
      Type.Object(
        {
          /** Its partition tool, of NVIDIA/Fabric-Manager-Client. */
          program: Type.Intersect([path], { default: '/usr/bin/fmpm' }),
          /** Where Fabric Manager listens: on loopback where neither is set. */
          address: Type.Optional(Type.String({ minLength: 1 })),
          socket: Type.Optional(path),
          /** PCI addresses by module id, where the host's own driver never has the GPUs to say which is which. */
          moduleIds: Type.Optional(
            Type.Record(
              Type.String({ pattern: '^[1-9]\\d?$' }),
              Type.String({ pattern: '^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]$' }),
            ),
          ),
        },
        closed,
      ),
    ),
    /**
     * How guests are started: by the agent itself, or by libvirt, for operators whose tools look at guests through it. Guests
     * that run stay with what has started them.
     */
    hypervisor: Type.Enum(['qemu', 'libvirt'], { default: 'qemu' }),
    qemuProgram: Type.String({ default: 'qemu-system-x86_64' }),
    /** The host's own share; each has a default that grows with the machine. */
    reservedCpus: Type.Optional(Type.Integer({ minimum: 0 })),
    reservedMemoryMib: Type.Optional(Type.Integer({ minimum: 0 })),
    reservedDiskGb: Type.Optional(Type.Integer({ minimum: 0 })),
    /** Accelerators by their PCI ids that `inventory` doesn't know, or shall call otherwise. Placement asks the scheduler's. */
    accelerators: Type.Optional(
      Type.Array(
        Type.Object(
          {
            type: resourceId,
            pciIds: Type.Array(Type.String({ pattern: '^[0-9a-f]{4}:[0-9a-f]{4}$' }), { minItems: 1 }),
            memoryGb: Type.Integer({ minimum: 1 }),
            /** How many one guest may have where NVSwitches join them. */
            partitionSizes: Type.Optional(Type.Array(Type.Integer({ minimum: 1 }))),
          },
          closed,
        ),
      ),
    ),
  },
  closed,
)

export type AgentSettings = Static<typeof AgentSettings>

/** What the file says that can not work: a sentence each. */
export function findSettingProblems(settings: AgentSettings): readonly string[] {
  const { uplinks, gateway } = settings
  const repeated = (['interface', 'physicalNetwork'] as const).flatMap((field) => {
    const values = uplinks.map((uplink) => uplink[field])
    const several = new Set(values.filter((value, index) => values.indexOf(value) !== index))
    return [...several].map((value) => `uplinks name ${field} ${value} twice: join interfaces by a bond.`)
  })
  const { allowedRanges = [], deniedRanges = [], nameServers = [] } = gateway ?? {}
  const ranges = [...allowedRanges, ...deniedRanges].filter((range) => !isNetwork(range))
  const servers = nameServers.filter((server) => !ipaddr.IPv4.isValidFourPartDecimal(server))
  return [
    ...findFabricProblems(settings),
    ...repeated,
    ...ranges.map((range) => `gateway has ${range}, which is no range: write it as in 10.20.0.0/16.`),
    ...servers.map((server) => `gateway.nameServers has ${server}, which is no IPv4 address.`),
  ]
}

function findFabricProblems({ fabricManager }: AgentSettings): readonly string[] {
  if (!fabricManager) return []
  const { address, socket, moduleIds = {} } = fabricManager
  const addresses = Object.values(moduleIds)
  const several = new Set(addresses.filter((one, index) => addresses.indexOf(one) !== index))
  return [
    ...(address !== undefined && socket !== undefined
      ? ['fabricManager has an address and a socket: leave one out.']
      : []),
    ...[...several].map(
      (one) => `fabricManager.moduleIds has ${one} twice: nvidia-smi -q says which module it is.`,
    ),
  ]
}

function isNetwork(range: string): boolean {
  if (!ipaddr.IPv4.isValidCIDRFourPartDecimal(range)) return false
  const [address] = ipaddr.IPv4.parseCIDR(range)
  return address.toString() === ipaddr.IPv4.networkAddressFromCIDR(range).toString()
}
