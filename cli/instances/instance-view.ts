import { formatTimestamp } from '../../lib/clock.ts'
import { type GuestAttribute, type Instance, type InstanceEvent, shortName } from '../client/resources.ts'
import { renderDuration } from '../output/duration.ts'
import type { Rendering } from '../output/format.ts'

/** Loaded when a table is wanted. */
const tables = () => import('../output/table.ts')

export const instanceList = (nowMs: number): Rendering<readonly Instance[]> => ({
  table: async (instances) => {
    if (instances.length === 0) return 'No instances.'
    const { renderTable } = await tables()
    return renderTable(
      ['ID', 'STATUS', 'TYPE', 'ADDRESS', 'GPUS', 'AGE'],
      instances.map((instance) => [
        instance.id,
        instance.lifecycle.status,
        shortName(instance.type),
        instance.nics.map((nic) => nic.ipv4Address ?? '-').join(' '),
        renderGpus(instance) || '-',
        renderDuration(Math.max(0, nowMs - Date.parse(instance.createdAt))),
      ]),
    )
  },
  names: (instances) => instances.map(({ id }) => id),
})

export const oneInstance: Rendering<Instance> = {
  table: async (instance) => {
    const { renderFields } = await tables()
    const { lifecycle } = instance
    return renderFields([
      ['id', instance.id],
      ['uid', instance.uid],
      ...(instance.displayName === undefined ? [] : ([['display name', instance.displayName]] as const)),
      ['status', `${lifecycle.status} since ${lifecycle.since}`],
      ['', lifecycle.statusMessage],
      ['type', shortName(instance.type)],
      ['hostname', instance.hostname],
      ...instance.nics.map(
        (nic) =>
          [
            nic.name,
            `${[nic.ipv4Address ?? '-', ...(nic.ipv6Address === undefined ? [] : [nic.ipv6Address])].join(' ')}  ${nic.macAddress}  network ${shortName(nic.network)}${nic.networkMbps === undefined ? '' : `  ${nic.networkMbps} Mbit/s`}`,
          ] as const,
      ),
      ...instance.disks.map(
        (disk) =>
          [
            disk.deviceName,
            `${disk.sizeGb} GB ${disk.interface}${disk.source === undefined ? '' : ` from ${shortName(disk.source)}`}`,
          ] as const,
      ),
      ...(instance.gpus.length === 0 ? [] : ([['gpus', renderGpus(instance)]] as const)),
      ...(instance.scheduling === undefined
        ? []
        : ([['scheduling', renderScheduling(instance.scheduling)]] as const)),
      ...(Object.keys(instance.labels).length === 0
        ? []
        : ([['labels', renderLabels(instance.labels)]] as const)),
      ['created', formatTimestamp(Date.parse(instance.createdAt))],
    ])
  },
  names: (instance) => [instance.id],
}

const renderScheduling = (scheduling: NonNullable<Instance['scheduling']>): string =>
  Object.entries(scheduling)
    .map(([wish, value]) => `${wish} ${typeof value === 'object' ? renderWishes(value) : String(value)}`)
    .join('; ')

const renderWishes = (value: readonly string[] | Readonly<Record<string, string>>): string =>
  Array.isArray(value) ? value.join(' ') : renderLabels(value as Readonly<Record<string, string>>)

export const eventList: Rendering<readonly InstanceEvent[]> = {
  table: async (events) => {
    const { renderTable } = await tables()
    return renderTable(
      ['TIME', 'FROM', 'TO', 'REASON', 'MESSAGE'],
      events.map((event) => [event.at, event.from ?? '-', event.to ?? 'gone', event.reason, event.message]),
    )
  },
  names: (events) => events.map((event) => String(event.sequence)),
}

export const attributeList: Rendering<readonly GuestAttribute[]> = {
  table: async (attributes) => {
    if (attributes.length === 0) return 'No guest attributes.'
    const { renderTable } = await tables()
    return renderTable(
      ['NAMESPACE', 'KEY', 'VALUE'],
      // What the guest has put is no command to this terminal.
      attributes.map(({ namespace, key, value }) => [namespace, key, value.replaceAll(/\p{Cc}/gu, ' ')]),
    )
  },
  names: (attributes) => attributes.map(({ namespace, key }) => `${namespace}/${key}`),
}

const renderGpus = (instance: Instance) =>
  instance.gpus.map((gpu) => `${gpu.count}x${shortName(gpu.type)}`).join(' ')

const renderLabels = (labels: Instance['labels']) =>
  Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ')
