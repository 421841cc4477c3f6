import { type Device, shortName } from '../client/resources.ts'
import type { Rendering } from '../output/format.ts'

/** Loaded when a table is wanted. */
const tables = () => import('../output/table.ts')

export const deviceList: Rendering<readonly Device[]> = {
  table: async (devices) => {
    if (devices.length === 0) return 'No devices.'
    const { renderTable } = await tables()
    return renderTable(
      ['ADDRESS', 'TYPE', 'NUMA', 'STATE', 'REASON', 'UNSCRUBBED', 'TAKEN BY'],
      devices.map((device) => [
        device.address,
        device.acceleratorType ?? '-',
        String(device.numaNode),
        stateOf(device),
        device.reason || '-',
        device.unscrubbedProject ?? '-',
        takerOf(device),
      ]),
    )
  },
  names: (devices) => devices.map(({ address }) => address),
}

export const oneDevice: Rendering<Device> = {
  table: async (device) => {
    const { renderFields } = await tables()
    const { stateSince, stateDeadline, lastCommand } = device
    const optional = (name: string, value: string | undefined) =>
      value === undefined ? [] : ([[name, value]] as const)
    return renderFields([
      ['address', device.address],
      ['type', device.acceleratorType ?? '-'],
      ...optional('pci id', device.pciId),
      ['numa node', String(device.numaNode)],
      ['state', `${stateOf(device)}${stateSince === undefined ? '' : ` since ${stateSince}`}`],
      ...optional('until', stateDeadline),
      ...optional('reason', device.reason || undefined),
      ...optional('', device.statusMessage || undefined),
      ['taken by', takerOf(device)],
      ...optional('held by', device.holderUid),
      ...optional('unscrubbed', device.unscrubbedProject),
      ...optional('last command', lastCommand && describeCommand(lastCommand)),
    ])
  },
  names: ({ address }) => [address],
}

const stateOf = ({ state, present }: Device) => (present ? state : `${state} (gone)`)

const takerOf = ({ instance, claimedBy }: Device) =>
  instance === undefined ? (claimedBy === undefined ? '-' : 'a reservation') : shortName(instance)

function describeCommand({ verb, status, error, askedAt }: NonNullable<Device['lastCommand']>): string {
  const end = error === undefined ? status.toLowerCase() : `failed: ${error.message}`
  return `${verb} at ${askedAt}, ${end}`
}
