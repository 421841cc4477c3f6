// Owns what this host must remember: its own record, one for each instance, one for each disk that is to go, one for each device
// that guests get whole, one for the NVSwitches that join them, and of networks the rules that have changed and the members
// elsewhere. In and out: journal messages, each in a file that is replaced whole and synced. It decides nothing, and a record
// of a newer version is never written over.
import { fromBinary, toBinary } from '@bufbuild/protobuf'
import {
  type DeviceRecord,
  DeviceRecordSchema,
  type DiskRecord,
  DiskRecordSchema,
  type FabricRecord,
  FabricRecordSchema,
  type HostRecord,
  HostRecordSchema,
  type InstanceRecord,
  InstanceRecordSchema,
  type NetworkMembersRecord,
  NetworkMembersRecordSchema,
  type NetworkRecord,
  NetworkRecordSchema,
} from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { Files } from '../host/ports.ts'
import {
  type AgentDirectories,
  deviceRecordDirectory,
  fabricRecordPath,
  instancePaths,
  membersRecordDirectory,
  networkRecordDirectory,
  volumePaths,
} from '../plan/paths.ts'

/** Of what this agent writes. A record with a higher one has fields that matter and that it doesn't know. */
export const recordVersion = 1

export type JournalEntry =
  | { readonly kind: 'record'; readonly record: InstanceRecord }
  /** A newer agent wrote it: it and its guest are left alone. */
  | { readonly kind: 'newer'; readonly uid: string; readonly version: number }
  | { readonly kind: 'broken'; readonly uid: string; readonly message: string }

export interface Journal {
  /** undefined on a host that has none yet. @throws if it is of a newer version. */
  readHost(): Promise<HostRecord | undefined>
  writeHost(record: HostRecord): Promise<void>
  listInstances(): Promise<readonly JournalEntry[]>
  /** Durable when it resolves. */
  writeInstance(record: InstanceRecord): Promise<void>
  /** Disks, serial output and run files; the record stays. */
  removeFiles(uid: string): Promise<void>
  /** The record too. */
  removeInstance(uid: string): Promise<void>
  /** Disks that are to go, or are gone and not yet known to be. @throws if one is of a newer version. */
  listDisks(): Promise<readonly DiskRecord[]>
  writeDisk(record: DiskRecord): Promise<void>
  removeDisk(uid: string): Promise<void>
  /** Devices that guests had or operators spoke of. @throws if one is of a newer version. */
  listDevices(): Promise<readonly DeviceRecord[]>
  writeDevice(record: DeviceRecord): Promise<void>
  /** undefined on a host that has none. @throws if it is of a newer version. */
  readFabric(): Promise<FabricRecord | undefined>
  writeFabric(record: FabricRecord): Promise<void>
  /** @throws if one is of a newer version. */
  listNetworks(): Promise<readonly NetworkRecord[]>
  writeNetwork(record: NetworkRecord): Promise<void>
  removeNetwork(uid: string): Promise<void>
  /** @throws if one is of a newer version. */
  listMembers(): Promise<readonly NetworkMembersRecord[]>
  writeMembers(record: NetworkMembersRecord): Promise<void>
  removeMembers(networkUid: string): Promise<void>
}

export function createJournal(options: { files: Files; directories: AgentDirectories }): Journal {
  const { files, directories } = options
  const instancesDirectory = `${directories.state}/instances`
  const devicesDirectory = deviceRecordDirectory(directories)
  const networksDirectory = networkRecordDirectory(directories)
  const membersDirectory = membersRecordDirectory(directories)
  const hostPath = `${directories.state}/host.pb`
  const fabricPath = fabricRecordPath(directories)

  const readEntry = async (uid: string): Promise<JournalEntry | undefined> => {
    const paths = instancePaths(directories, uid)
    try {
      const content = await files.read(paths.record)
      if (!content) {
        // Made, and not yet or not any more an instance; with a disk in it, what somebody may want back.
        const holdsData = (await files.list(paths.directory)).some((name) => !name.startsWith('.'))
        return holdsData ? { kind: 'broken', uid, message: 'its directory has no record' } : undefined
      }
      const record = fromBinary(InstanceRecordSchema, content)
      if (record.recordVersion > recordVersion) return { kind: 'newer', uid, version: record.recordVersion }
      return record.uid === uid
        ? { kind: 'record', record }
        : { kind: 'broken', uid, message: `the record is of instance ${record.uid}` }
    } catch (thrown) {
      return { kind: 'broken', uid, message: thrown instanceof Error ? thrown.message : String(thrown) }
    }
  }

  /** Of which the host has one. */
  const readSingle = async <Record extends { readonly recordVersion: number }>(
    path: string,
    parse: (content: Uint8Array) => Record,
  ): Promise<Record | undefined> => {
    const content = await files.read(path)
    if (!content) return undefined
    const record = parse(content)
    if (record.recordVersion <= recordVersion) return record
    throw new Error(
      `${path} was written by a newer agent (version ${record.recordVersion}): start that agent, or restore an older state directory.`,
    )
  }

  const readRecords = async <Record extends { readonly recordVersion: number }>(
    directory: string,
    parse: (content: Uint8Array) => Record,
  ): Promise<readonly Record[]> => {
    const records: Record[] = []
    for (const name of await files.list(directory)) {
      const content = name.endsWith('.pb') ? await files.read(`${directory}/${name}`) : undefined
      if (!content) continue
      const record = parse(content)
      if (record.recordVersion > recordVersion) {
        throw new Error(`${directory}/${name} was written by a newer agent: start that agent.`)
      }
      records.push(record)
    }
    return records
  }

  const removeFiles = async (uid: string) => {
    const paths = instancePaths(directories, uid)
    await files.remove(paths.runDirectory)
    for (const name of await files.list(paths.directory)) {
      const path = `${paths.directory}/${name}`
      if (path !== paths.record) await files.remove(path)
    }
  }

  return {
    readHost: () => readSingle(hostPath, (content) => fromBinary(HostRecordSchema, content)),
    writeHost: async (record) => {
      await files.makeDirectory(directories.state)
      await files.writeAtomic(hostPath, toBinary(HostRecordSchema, record))
    },
    listInstances: async () => {
      const entries: JournalEntry[] = []
      for (const uid of await files.list(instancesDirectory)) {
        const entry = await readEntry(uid)
        if (entry) entries.push(entry)
        else await files.remove(instancePaths(directories, uid).directory)
      }
      return entries
    },
    writeInstance: async (record) => {
      const paths = instancePaths(directories, record.uid)
      await files.makeDirectory(paths.directory, { mode: 0o711 })
      await files.writeAtomic(paths.record, toBinary(InstanceRecordSchema, record))
    },
    removeFiles,
    // The record last: a crash in between leaves an instance that is still known.
    removeInstance: async (uid) => {
      await removeFiles(uid)
      await files.remove(instancePaths(directories, uid).directory)
    },
    listDisks: async () => {
      const { directory } = volumePaths(directories, '')
      return readRecords(directory, (content) => fromBinary(DiskRecordSchema, content))
    },
    writeDisk: async (record) => {
      const paths = volumePaths(directories, record.uid)
      await files.makeDirectory(paths.directory, { mode: 0o711 })
      await files.writeAtomic(paths.record, toBinary(DiskRecordSchema, record))
    },
    removeDisk: (uid) => files.remove(volumePaths(directories, uid).record),
    listDevices: () => readRecords(devicesDirectory, (content) => fromBinary(DeviceRecordSchema, content)),
    writeDevice: async (record) => {
      await files.makeDirectory(devicesDirectory)
      await files.writeAtomic(
        `${devicesDirectory}/${record.address}.pb`,
        toBinary(DeviceRecordSchema, record),
      )
    },
    readFabric: () => readSingle(fabricPath, (content) => fromBinary(FabricRecordSchema, content)),
    writeFabric: async (record) => {
      await files.makeDirectory(directories.state)
      await files.writeAtomic(fabricPath, toBinary(FabricRecordSchema, record))
    },
    listNetworks: () => readRecords(networksDirectory, (content) => fromBinary(NetworkRecordSchema, content)),
    writeNetwork: async (record) => {
      await files.makeDirectory(networksDirectory)
      await files.writeAtomic(`${networksDirectory}/${record.uid}.pb`, toBinary(NetworkRecordSchema, record))
    },
    removeNetwork: (uid) => files.remove(`${networksDirectory}/${uid}.pb`),
    listMembers: () =>
      readRecords(membersDirectory, (content) => fromBinary(NetworkMembersRecordSchema, content)),
    writeMembers: async (record) => {
      await files.makeDirectory(membersDirectory)
      const path = `${membersDirectory}/${record.uid}.pb`
      await files.writeAtomic(path, toBinary(NetworkMembersRecordSchema, record))
    },
    removeMembers: (networkUid) => files.remove(`${membersDirectory}/${networkUid}.pb`),
  }
}
