import { create } from '@bufbuild/protobuf'
import type { Disk, InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { FormerDriverSchema, type InstanceRecord } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { pciAddress } from '../../proto/ids.ts'
import type { CachedFile, CachedImage, FetchOptions } from '../drivers/disk/port.ts'
import { renderNoCloud } from '../plan/cloud-init.ts'
import { planMemlockMib } from '../plan/memlock.ts'
import { instancePaths } from '../plan/paths.ts'
import { bootImage, type Step } from '../plan/plan-instance.ts'
import { renderQemuArgs } from '../plan/qemu-args.ts'
import { findGuest, processRecordOf } from './guest.ts'
import type { InstancePorts } from './ports.ts'

/** What earlier steps of one run brought: the cache may put files elsewhere the next time. */
export interface Fetched {
  readonly images: Map<string, CachedImage>
  readonly blobs: Map<'kernel' | 'initrd', CachedFile>
}

export interface StepContext {
  readonly ports: InstancePorts
  readonly spec: InstanceSpec
  readonly fetched: Fetched
  readonly fetchOptions: Required<FetchOptions>
  record(): InstanceRecord
  /** Durable when it resolves. */
  change(change: Partial<InstanceRecord>): Promise<void>
}

const startTimeoutMs = 60_000

/** Carries out one step. It chooses nothing: what it does is in the step and the record. */
export async function runStep(context: StepContext, step: Step): Promise<void> {
  const { ports, spec, fetched, fetchOptions } = context
  switch (step.kind) {
    case 'fetch-image':
      // A volume is made from its image once.
      if (await isVolumeMade(context, step.disk)) return
      fetched.images.set(step.disk.deviceName, await ports.disk.ensureImage(step.image, fetchOptions))
      return
    case 'fetch-blob':
      fetched.blobs.set(step.role, await ports.disk.ensureBlob(step.blob, fetchOptions))
      return
    case 'make-disk': {
      const { disk } = step
      const base = fetched.images.get(disk.deviceName)
      await ports.disk.ensureDisk({
        path: instancePaths(ports.directories, spec.uid).disk(disk),
        sizeGb: disk.sizeGb,
        owner: ownerOf(context.record()),
        ...(base ? { base } : {}),
        ...(disk.volumeUid === '' ? {} : { volume: { mustExist: disk.mustExist } }),
      })
      return
    }
    case 'bind-device':
      await bindDevice(context, step.address)
      return
    case 'join-network':
      await ports.networkUse.join(step.network, spec.uid)
      return
    case 'publish-metadata':
      await publishMetadata(ports, spec, step)
      return
    case 'connect-port':
      await ports.network.ensurePort({
        instanceUid: spec.uid,
        tap: step.tap,
        macAddress: step.macAddress,
        ipv4Address: step.ipv4Address,
        hostname: spec.hostname,
        network: step.network,
        ownerUid: ownerOf(context.record()).uid,
      })
      return
    case 'start-guest':
      await startGuest(context)
      return
  }
}

async function isVolumeMade({ ports, spec }: StepContext, disk: Disk): Promise<boolean> {
  if (disk.volumeUid === '') return false
  return (
    disk.mustExist ||
    (await ports.files.stat(instancePaths(ports.directories, spec.uid).disk(disk))) !== undefined
  )
}

/** What the guest sees from its next request on. */
export async function publishMetadata(
  { metadata, clock }: InstancePorts,
  spec: InstanceSpec,
  step: Extract<Step, { kind: 'publish-metadata' }>,
): Promise<void> {
  await metadata.publish(step.networkUid, step.ipv4Address, {
    instanceUid: spec.uid,
    nocloud: renderNoCloud(spec, clock.nowMs()),
  })
}

async function bindDevice({ ports, record, change }: StepContext, address: string): Promise<void> {
  const device = pciAddress(address)
  const noted = record().formerDrivers
  if (!noted.some((former) => former.address === address)) {
    // Before anything is unbound: after a crash nobody else would know.
    const driver = await ports.passthrough.readDriver(device)
    await change({ formerDrivers: [...noted, create(FormerDriverSchema, { address, driver })] })
  }
  await ports.passthrough.ensureBound(device, ownerOf(record()).uid)
}

async function startGuest(context: StepContext): Promise<void> {
  const { ports, spec, fetched } = context
  const paths = instancePaths(ports.directories, spec.uid)
  const { pinned } = context.record()
  if (!pinned) throw new Error(`Instance ${spec.uid} has no pinned machine.`)
  // One that an agent started and did not live to note down is in an unknown state: a fresh one is not.
  const leftover = await findGuest(ports, context.record())
  if (leftover) await ports.hypervisor.kill(leftover, paths.qmpSocket)
  const owner = ownerOf(context.record())
  await ports.files.remove(paths.runDirectory)
  await ports.files.makeDirectory(paths.runDirectory, { mode: 0o700, owner })
  const readable = [...fetched.images.values(), ...fetched.blobs.values()].map((file) => file.gid)
  const groups = pinned.accelerator === 'kvm' ? [...readable, ...(await kvmGroup(ports))] : readable
  const handle = await ports.hypervisor.start({
    instanceUid: spec.uid,
    program: ports.machine.program,
    args: renderQemuArgs({ spec, pinned, paths, ...directKernelOf(spec, fetched) }),
    runAs: { ...owner, supplementaryGids: [...new Set(groups)].toSorted((a, b) => a - b) },
    memlockMib: planMemlockMib(spec),
    qmpSocketPath: paths.qmpSocket,
    pidFilePath: paths.pidFile,
    logPath: paths.qemuLog,
    startTimeoutMs,
  })
  const process = processRecordOf(handle, await ports.processes.bootId())
  await context.change({ process, guestDisks: spec.disks })
}

/** Who may open /dev/kvm, where udev has given it a group; root's own is not handed out. */
async function kvmGroup({ files }: InstancePorts): Promise<readonly number[]> {
  const gid = (await files.stat('/dev/kvm'))?.gid ?? 0
  return gid > 0 ? [gid] : []
}

function directKernelOf(spec: InstanceSpec, fetched: Fetched) {
  const kernel = fetched.blobs.get('kernel')
  const initrd = fetched.blobs.get('initrd')
  if (!kernel || !initrd) return {}
  const commandLine = bootImage(spec)?.directKernel?.commandLine ?? ''
  return { directKernel: { kernelPath: kernel.path, initrdPath: initrd.path, commandLine } }
}

function ownerOf(record: InstanceRecord): { uid: number; gid: number } {
  const uid = record.pinned?.runAsUid
  if (uid === undefined) throw new Error(`Instance ${record.uid} has no user of its own yet.`)
  return { uid, gid: uid }
}
