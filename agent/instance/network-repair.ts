import { InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { InstanceActor } from './actor.ts'
import { portPlansOf } from './port-plans.ts'
import type { InstancePorts } from './ports.ts'

/** Services alone where nothing speaks for more: to look at all ports takes programs. */
export type RepairExtent = 'services' | 'everything'

/**
 * Puts right what somebody has done to the networks of guests that run: a flushed filter, a port that is down, a dead
 * dnsmasq, a deleted bridge. Nothing is done to an instance while something else is under way there. Whether there was
 * trouble: then it is to be looked at again.
 */
export async function repairNetworks(
  ports: InstancePorts,
  actors: readonly InstanceActor[],
  extent: RepairExtent,
): Promise<boolean> {
  const { network, networkUse, log } = ports
  const running = actors.filter(({ record }) => record.phase === InstancePhase.RUNNING)
  const plans = running.flatMap((actor) => portPlansOf(actor.record).map((plan) => ({ actor, plan })))
  if (plans.length === 0) return false
  const networks = new Map(plans.map(({ plan }) => [plan.network.uid, plan.network]))
  const troubles =
    extent === 'services'
      ? await network.findDeadServices([...networks.values()])
      : await network.findTroubles(plans.map(({ plan }) => plan))
  // What a port is joined to comes before the port.
  const inOrder = troubles.toSorted(
    (a, b) => Number(b.kind === 'network-broken') - Number(a.kind === 'network-broken'),
  )
  for (const trouble of inOrder) {
    const found = plans.find(({ plan }) =>
      trouble.kind === 'network-broken' ? plan.network.uid === trouble.networkUid : plan.tap === trouble.tap,
    )
    if (found === undefined) continue
    const { actor, plan } = found
    await actor.repair(async () => {
      switch (trouble.kind) {
        case 'network-broken':
          log.error({ networkUid: plan.network.uid }, "A network's services are broken; they are made again.")
          return networkUse.mend(plan.network)
        case 'filter-gone':
        case 'port-down':
        case 'limit-gone':
          log.error(
            { instanceUid: plan.instanceUid, trouble },
            "A guest's port is not as it was; it is made again.",
          )
          return network.ensurePort(plan)
        case 'tap-gone':
          return tellOfDeadNic(actor, plan)
      }
    })
  }
  return troubles.length > 0
}

async function tellOfDeadNic(
  actor: InstanceActor,
  { nic, tap }: { nic: string; tap: string },
): Promise<void> {
  const message = `${nic} is cut off: somebody on the host deleted its tap ${tap}. Stop and start the instance.`
  if (actor.record.message !== message) await actor.note(message)
}
