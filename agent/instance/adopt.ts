import { InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { InstanceActor } from './actor.ts'
import { findGuest } from './guest.ts'
import type { InstancePorts } from './ports.ts'

/**
 * Takes over one instance that an earlier agent left: a guest that runs goes on and is watched, one that ended
 * meanwhile is told as what it was, one that the host's reboot ended is started again. What was half done goes on.
 */
export async function adopt(ports: InstancePorts, actor: InstanceActor): Promise<void> {
  const { record } = actor
  for (const resource of record.held) {
    const nic = record.spec?.nics.find(({ network }) => network?.uid === resource.name)
    if (resource.kind === 'network' && nic?.network) ports.networkUse.remember(nic.network, record.uid)
  }
  if (record.phase === InstancePhase.RUNNING) await adoptRunning(ports, actor)
  actor.wake()
}

async function adoptRunning(ports: InstancePorts, actor: InstanceActor): Promise<void> {
  const { record } = actor
  const { log } = ports
  const fields = { instanceUid: record.uid }
  const hasRebooted = record.process?.bootId !== (await ports.processes.bootId())
  if (hasRebooted) {
    log.info(fields, 'The host has rebooted: the guest is started again.')
    await actor.accept((before) => ({
      ...before,
      phase: InstancePhase.STAGING,
      reason: 'HOST_REBOOTED',
      message: 'The host has rebooted; the guest is started again.',
      process: undefined,
    }))
    return
  }
  const guest = await findGuest(ports, record)
  const status = guest ? await ports.hypervisor.status(guest) : { kind: 'gone' as const }
  switch (status.kind) {
    case 'running':
    case 'paused':
    case 'prelaunch':
      log.info({ ...fields, pid: guest?.process.pid }, 'A running guest is adopted.')
      await ensureServices(ports, actor)
      await actor.watchGuest()
      return
    case 'powered-off':
      await actor.guestEnded({ kind: 'powered-off' })
      return
    case 'gone':
      await actor.guestEnded({ kind: 'crashed', message: 'it ended while no agent was here to see why.' })
      return
  }
}

/** What serves the guest is checked, not remade: everything that is as it should be stays untouched. */
async function ensureServices(ports: InstancePorts, actor: InstanceActor): Promise<void> {
  const { spec, uid } = actor.record
  for (const nic of spec?.nics ?? []) {
    if (!nic.network) continue
    try {
      await ports.networkUse.join(nic.network, uid)
    } catch (thrown) {
      // The guest runs on either way; its operator must know.
      ports.log.error({ err: thrown, instanceUid: uid }, "A running guest's network could not be checked.")
    }
  }
}
