// One agent on one host: drivers over the host's doors, the supervisor of instances over the drivers, and the session
// over both. The same for a real host and a simulated one; only the doors differ.
import { create } from '@bufbuild/protobuf'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Random } from '../lib/random.ts'
import { version } from '../lib/version.ts'
import { Accelerator, type HostFacts, HostFactsSchema } from '../proto/gen/berth/agent/v1/host_pb.ts'
import { HostRecordSchema } from '../proto/gen/berth/journal/v1/journal_pb.ts'
import type { AgentSettings } from './config.ts'
import { Devices } from './device/devices.ts'
import { Fabric } from './device/fabric.ts'
import { makeDirectories } from './directories.ts'
import { createDiskDriver } from './drivers/disk/disk-driver.ts'
import { createFabricManager, namedModuleIds } from './drivers/fabric/fmpm.ts'
import { createDetachedSupervision } from './drivers/hypervisor/detached.ts'
import { createEitherDriver } from './drivers/hypervisor/either.ts'
import { createLibvirtDriver } from './drivers/hypervisor/libvirt/libvirt.ts'
import { createQemuDriver } from './drivers/hypervisor/qemu.ts'
import { createSystemdSupervision } from './drivers/hypervisor/systemd-unit.ts'
import { createIdentityKeys, type IdentityKeys } from './drivers/metadata/identity-keys.ts'
import { createMetadataDriver } from './drivers/metadata/linux-metadata.ts'
import { watchKernel } from './drivers/network/kernel-watch.ts'
import { createLinuxNetworkDriver } from './drivers/network/linux-network.ts'
import { createUnitScrubs } from './drivers/passthrough/scrub-units.ts'
import { createDirectScrubs } from './drivers/passthrough/scrubs.ts'
import { createSysfsPassthrough } from './drivers/passthrough/sysfs-passthrough.ts'
import { createUnitWrites } from './drivers/passthrough/write-units.ts'
import { createDirectWrites, tellLeftOver } from './drivers/passthrough/writes.ts'
import type { Host } from './host/ports.ts'
import { Firewalls } from './instance/firewalls.ts'
import { HardwareUse } from './instance/hardware-use.ts'
import { Members } from './instance/members.ts'
import { NetworkUse } from './instance/network-use.ts'
import type { GuestMachine, InstancePorts } from './instance/ports.ts'
import { Supervisor } from './instance/supervisor.ts'
import { withFabric } from './inventory/fabric.ts'
import { type FactsWatch, watchFacts } from './inventory/facts-watch.ts'
import { createFactsReader } from './inventory/host-facts.ts'
import { readHostHardware } from './inventory/host-hardware.ts'
import type { Machine } from './inventory/machine.ts'
import { readQemu } from './inventory/qemu.ts'
import { createJournal, type Journal, recordVersion } from './journal/journal.ts'
import { acquireStateLock } from './journal/state-lock.ts'
import { imageCacheDirectory } from './plan/paths.ts'
import { type SessionState, startSession } from './stream/client.ts'
import type { AgentSide } from './stream/ports.ts'

export interface AgentOptions {
  readonly settings: AgentSettings
  readonly host: Host
  readonly machine: () => Promise<Machine>
  readonly token: string
  readonly authority?: string
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly ownPid: number
  /** How often networks are looked at where anything has changed; never where absent, as on simulated hosts. */
  readonly repairIntervalMs?: number
  /** How often the host is looked at for devices that have come or gone; never where absent. */
  readonly factsIntervalMs?: number
}

export interface Agent {
  session(): SessionState
  /** Guests, their metadata and their DHCP go on. */
  close(): Promise<void>
}

/** Guests first: every one is adopted before the scheduler hears of this host. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { settings, host, clock, random, log } = options
  const { directories } = settings
  await makeDirectories(host.files, directories)
  const lock = await acquireStateLock({ ...host, directories, ownPid: options.ownPid })
  const read = await createFactsReader({
    ...host,
    machine: options.machine,
    settings: { ...settings, stateDirectory: directories.state },
  })
  const journal = createJournal({ files: host.files, directories })
  const fabric = fabricOf(options, journal)
  const facts = await watchFacts({
    ...{ ...host, clock, log },
    read,
    ...(fabric && {
      complete: (found) => withFabric(found, { fabric: fabric.facts(), warnings: fabric.warnings() }),
    }),
    lookIntervalMs: options.factsIntervalMs,
  })
  const metadata = createMetadataDriver({ ...host, directories, clock, log })
  const network = createLinuxNetworkDriver({
    ...{ ...host, directories, log },
    ...{ uplinks: settings.uplinks, gateway: settings.gateway },
  })
  const firewalls = new Firewalls({ journal, clock, log })
  const members = new Members({ journal, log })
  const isSystemds = await hasSystemd(host)
  const writes = isSystemds ? createUnitWrites({ ...host, clock }) : createDirectWrites(host)
  await tellLeftOver(writes, log)
  const ports: InstancePorts = {
    network,
    metadata,
    networkUse: new NetworkUse({ network, metadata, firewalls, members }),
    firewalls,
    members,
    disk: createDiskDriver({ ...host, directories, log }),
    hypervisor: createEitherDriver(
      {
        qemu: createQemuDriver({
          supervision: isSystemds ? createSystemdSupervision(host) : createDetachedSupervision(host),
          ...{ ...host, clock, log },
        }),
        libvirt: createLibvirtDriver({
          ...{ ...host, clock, log },
          imageDirectory: imageCacheDirectory(directories),
        }),
      },
      settings.hypervisor,
    ),
    devices: new Devices({
      passthrough: createSysfsPassthrough({ ...host, writes, log, scrubs: scrubsOf(options, isSystemds) }),
      fabric,
      ...{ ...host, journal, clock, log },
    }),
    hardwareUse: new HardwareUse({ journal, log, read: () => readHostHardware(host.sysfs) }),
    journal,
    files: host.files,
    sysfs: host.sysfs,
    processes: host.processes,
    clock,
    log,
    directories,
    machine: await guestMachineOf({ settings, host, facts: facts.take() }),
  }
  const hostRecord = await readOrMakeHostRecord(journal, random)
  const supervisor = new Supervisor({ ports, host: hostRecord })
  await supervisor.recover()
  const session = startSession({
    address: settings.scheduler.address,
    token: options.token,
    ...(options.authority === undefined ? {} : { tls: { authority: options.authority } }),
    side: sideOf({
      ...{ settings, host, facts, supervisor, journalUuid: hostRecord.journalUuid },
      identity: createIdentityKeys({ files: host.files, directories, clock, log }),
    }),
    clock,
    random,
    log,
  })
  const stopRepairs = startRepairs(supervisor, ports.devices, options)
  return {
    session: () => session.state(),
    close: async () => {
      stopRepairs()
      facts.close()
      await session.close()
      await supervisor.close()
      metadata.disconnect()
      await lock.release()
    },
  }
}

/** Of a dead dnsmasq the kernel tells nothing. */
const servicesIntervalMs = 5000
/** Should the kernel ever have told nothing of what it did. */
const everythingIntervalMs = 60_000

function startRepairs(
  supervisor: Supervisor,
  devices: Devices,
  { repairIntervalMs, host, clock, log }: AgentOptions,
): () => void {
  if (repairIntervalMs === undefined) return () => {}
  const kernel = watchKernel({ ...host, clock, log })
  let isLooking = false
  let hadTrouble = false
  let [lastMs, lastEverythingMs] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]
  const stop = clock.every(repairIntervalMs, () => {
    if (isLooking) return
    const nowMs = clock.monotonicMs()
    const restMs = hadTrouble ? servicesIntervalMs : everythingIntervalMs
    const isThorough = kernel.hasChanged() || nowMs - lastEverythingMs >= restMs
    if (!isThorough && nowMs - lastMs < servicesIntervalMs) return
    isLooking = true
    lastMs = nowMs
    if (isThorough) lastEverythingMs = nowMs
    const repair = supervisor.repairNetworks(isThorough ? 'everything' : 'services')
    Promise.all([repair, devices.look()])
      .then(([isTroubled]) => {
        hadTrouble = isTroubled
      })
      .catch((err: unknown) => {
        hadTrouble = true
        log.error({ err }, "The guests' networks and devices could not be looked at.")
      })
      .finally(() => {
        isLooking = false
      })
  })
  return () => {
    stop()
    kernel.close()
  }
}

function sideOf(options: {
  settings: AgentSettings
  host: Host
  facts: FactsWatch
  supervisor: Supervisor
  identity: IdentityKeys
  journalUuid: string
}): AgentSide {
  const { settings, host, facts, supervisor, identity, journalUuid } = options
  /** Of which the scheduler publishes none that did not come with a Hello. */
  let identityKeys: Uint8Array[] = []
  const withKeys = (found: HostFacts) => create(HostFactsSchema, { ...found, identityKeys })
  return {
    hostId: settings.hostId,
    zone: settings.zone,
    agentVersion: version,
    journalUuid,
    bootId: () => host.processes.bootId(),
    facts: async () => {
      identityKeys = [...(await identity.announce())]
      return withKeys(facts.take())
    },
    onFacts: (listener) => facts.onNews((found) => listener(withKeys(found))),
    position: () => supervisor.position(),
    welcomed: async (epoch, identityIssuer) => {
      await supervisor.welcomed(epoch)
      await identity.published(identityIssuer)
    },
    accept: (command) => supervisor.accept(command),
    takeMembers: (told) => supervisor.takeMembers(told),
    observations: () => supervisor.observations(),
    onObservation: (listener) => supervisor.onObservation(listener),
    reported: (observation) => supervisor.reported(observation),
    readSerial: (range) => supervisor.readSerial(range),
    readGuestAttributes: (instanceUid) => supervisor.readGuestAttributes(instanceUid),
    openConsole: (instanceUid, start) => supervisor.openConsole(instanceUid, start),
  }
}

async function readOrMakeHostRecord(journal: Journal, random: Random) {
  const known = await journal.readHost()
  if (known) return known
  const made = create(HostRecordSchema, { recordVersion, journalUuid: random.uuid() })
  await journal.writeHost(made)
  return made
}

function fabricOf({ settings, host, clock, log }: AgentOptions, journal: Journal): Fabric | undefined {
  const { fabricManager } = settings
  if (!fabricManager) return undefined
  return new Fabric({
    manager: createFabricManager({ ...host, settings: fabricManager }),
    moduleIds: namedModuleIds(fabricManager),
    ...{ ...host, journal, clock, log },
  })
}

function scrubsOf({ settings, host, clock }: AgentOptions, isSystemds: boolean) {
  const { scrubProgram: program } = settings
  if (program === undefined) return undefined
  return isSystemds ? createUnitScrubs({ ...host, clock, program }) : createDirectScrubs({ ...host, program })
}

async function guestMachineOf(options: {
  settings: AgentSettings
  host: Host
  facts: HostFacts
}): Promise<GuestMachine> {
  const { settings, host, facts } = options
  const program = settings.qemuProgram
  const qemu = await readQemu({ exec: host.exec, program })
  if (!qemu)
    throw new Error(`${program} does not run on this host: install qemu-system-x86, or set qemuProgram.`)
  const isEmulated = facts.virtualization?.accelerator !== Accelerator.KVM
  return {
    program,
    machineType: qemu.machineType,
    accelerator: isEmulated ? 'tcg' : 'kvm',
    slownessWarning: isEmulated
      ? `It is emulated and slow, for this host has no KVM: ${facts.virtualization?.reason ?? ''}`.trim()
      : '',
  }
}

/** As sd_booted does. */
async function hasSystemd(host: Host): Promise<boolean> {
  return (await host.files.stat('/run/systemd/system'))?.kind === 'directory'
}
