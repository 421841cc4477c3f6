// The agent's settings file: every setting with its type and default.
import { type Static, Type } from 'typebox'
import { resourceIdPattern } from '../proto/ids.ts'

const closed = { additionalProperties: false } as const
const resourceId = Type.String({ maxLength: 63, pattern: resourceIdPattern })
const path = Type.String({ pattern: '^/' })

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
          interface: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$' }),
          physicalNetwork: Type.Intersect([resourceId], { default: 'default' }),
        },
        closed,
      ),
      { default: [] },
    ),
    /** auto: KVM where it really works. */
    accelerator: Type.Enum(['auto', 'kvm', 'tcg'], { default: 'auto' }),
    qemuProgram: Type.String({ default: 'qemu-system-x86_64' }),
    /** The host's own share; each has a default that grows with the machine. */
    reservedCpus: Type.Optional(Type.Integer({ minimum: 0 })),
    reservedMemoryMib: Type.Optional(Type.Integer({ minimum: 0 })),
    reservedDiskGb: Type.Optional(Type.Integer({ minimum: 0 })),
  },
  closed,
)

export type AgentSettings = Static<typeof AgentSettings>

/** What the file says that can not work: a sentence each. */
export function findSettingProblems({ uplinks }: AgentSettings): readonly string[] {
  return (['interface', 'physicalNetwork'] as const).flatMap((field) => {
    const values = uplinks.map((uplink) => uplink[field])
    const repeated = new Set(values.filter((value, index) => values.indexOf(value) !== index))
    return [...repeated].map((value) => `uplinks name ${field} ${value} twice: join interfaces by a bond.`)
  })
}
