import type { Disk, InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type InstanceRecord, MemoryFile } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { pciAddress } from '../../proto/ids.ts'
import { renderNoCloud } from '../plan/cloud-init.ts'
import { renderEc2Tree } from '../plan/ec2-tree.ts'
import { flavourOf } from '../plan/flavour.ts'
import { type MaintenanceEvent, renderGceTree } from '../plan/gce-tree.ts'
import { renderIdentityClaims } from '../plan/identity-claims.ts'
import { renderOpenstackFiles } from '../plan/openstack-files.ts'
import { instancePaths } from '../plan/paths.ts'
import { planInstance, type Step } from '../plan/plan-instance.ts'
import { ensureAttributeSlots } from './guest-attributes.ts'
import { requireFabric } from './held.ts'
import { portPlanOf } from './port-plans.ts'
import type { InstancePorts } from './ports.ts'
import { startGuest } from './start-guest.ts'
import { ownerOf, type StepContext } from './step-context.ts'

/** Carries out one step; what it returns is noted with the next change. It chooses nothing: all is in the step and the record. */
export async function runStep(
  context: StepContext,
  step: Step,
): Promise<Partial<InstanceRecord> | undefined> {
  const { ports, spec, fetched, fetchOptions } = context
  switch (step.kind) {
    case 'fetch-image':
      // A volume is made from its image once.
      if (await isVolumeMade(context, step.disk)) return undefined
      fetched.images.set(step.disk.deviceName, await ports.disk.ensureImage(step.image, fetchOptions))
      return undefined
    case 'fetch-blob':
      fetched.blobs.set(step.role, await ports.disk.ensureBlob(step.blob, fetchOptions))
      return undefined
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
      return undefined
    }
    case 'bind-device':
      await ports.devices.bind(pciAddress(step.address), {
        ...{ instanceUid: spec.uid, project: spec.project, ownerUid: ownerOf(context.record()).uid },
      })
      return undefined
    case 'find-partition':
      await requireFabric(ports).requirePartition(spec.uid, step.addresses)
      return undefined
    case 'activate-partition':
      await requireFabric(ports).activate(spec.uid, step.addresses)
      return undefined
    case 'join-network':
      await ports.networkUse.join(step.network, spec.uid)
      return undefined
    case 'publish-metadata':
      context.onStartable?.()
      await publishMetadata(ports, spec, step)
      return undefined
    case 'connect-port':
      await connectPort(context, step)
      return undefined
    case 'write-seed-disk':
      // What the guest had mounted when it was suspended may not change under it.
      if (context.record().memoryFile === MemoryFile.SAVED) return undefined
      await ports.disk.writeSeedDisk({
        path: instancePaths(ports.directories, spec.uid).seedDisk,
        files: { ...renderNoCloud(spec, ports.clock.nowMs()) },
        owner: ownerOf(context.record()),
      })
      return undefined
    case 'start-guest':
      return startGuest(context)
  }
}

/** Its network may have been broken since somebody looked at it last. */
async function connectPort(
  { ports, spec, record, onStartable }: StepContext,
  step: Extract<Step, { kind: 'connect-port' }>,
): Promise<void> {
  const plan = portPlanOf(record(), step)
  try {
    await ports.network.ensurePort(plan, onStartable)
  } catch (thrown) {
    ports.log.warn(
      { err: thrown, instanceUid: spec.uid },
      'A port could not be connected: its network is mended.',
    )
    await ports.networkUse.mend(step.network)
    await ports.network.ensurePort(plan, onStartable)
  }
}

async function isVolumeMade({ ports, spec }: StepContext, disk: Disk): Promise<boolean> {
  if (disk.volumeUid === '') return false
  return (
    disk.mustExist ||
    (await ports.files.stat(instancePaths(ports.directories, spec.uid).disk(disk))) !== undefined
  )
}

/** All that the guest can ask, whichever network it asks from. */
export async function publishAgain(
  ports: InstancePorts,
  spec: InstanceSpec,
  news: { readonly maintenanceEvent?: MaintenanceEvent } = {},
): Promise<void> {
  for (const step of planInstance(spec)) {
    if (step.kind === 'publish-metadata') await publishMetadata(ports, spec, { ...step, ...news })
  }
}

/** What the guest sees from its next request on. */
async function publishMetadata(
  ports: InstancePorts,
  placed: InstanceSpec,
  step: Extract<Step, { kind: 'publish-metadata' }> & { readonly maintenanceEvent?: MaintenanceEvent },
): Promise<void> {
  const { metadata, firewalls, clock } = ports
  const nics = placed.nics.map((nic) =>
    nic.network === undefined ? nic : { ...nic, network: firewalls.newest(nic.network) },
  )
  const spec = { ...placed, nics }
  const attributeSlots = await ensureAttributeSlots(ports, spec)
  await metadata.publish(step.networkUid, step.ipv4Address, {
    instanceUid: spec.uid,
    nocloud: renderNoCloud(spec, clock.nowMs()),
    gce: renderGceTree(spec, step.maintenanceEvent),
    ec2: renderEc2Tree(spec, clock.nowMs()),
    openstack: renderOpenstackFiles(spec, clock.nowMs()),
    flavour: flavourOf(spec),
    identity: renderIdentityClaims(spec),
    ...(attributeSlots === undefined ? {} : { attributeSlots }),
  })
}
