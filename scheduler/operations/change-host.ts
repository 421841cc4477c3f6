// What operators do with hosts: keep new instances away, empty them, give up those that are gone for good. In: the host and
// who asks. Out: the host as it is from now on, or a refusal. Never: decides by itself that a host is gone.
import { DesiredState } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type HostId, operationId } from '../../proto/ids.ts'
import { type Refusal, refuse } from '../errors.ts'
import { maintenanceReason } from '../lifecycle/verbs.ts'
import { changeInstance } from './change-instance.ts'
import { type HostView, listHosts } from './list-hosts.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'

export const hostVerbs = ['cordon', 'uncordon', 'drain', 'fence'] as const
export type HostVerb = (typeof hostVerbs)[number]

export interface ChangeHost {
  readonly verb: HostVerb
  readonly hostId: HostId
  /** Of a fence: the host's id once more, from whoever has made sure that it is off. */
  readonly confirm?: string
  /** Of a drain: how long guests have between the news and the stop. */
  readonly noticeMs?: number
  readonly principal: string
  readonly requestId: string
}

/** For guests to power off. */
const stopDeadlineMs = 60_000
/** For guests to put their work aside before. */
const defaultNoticeMs = 60_000

export async function changeHost(request: ChangeHost, ports: OperationPorts): Promise<Outcome<HostView>> {
  const { verb, hostId } = request
  const refusal =
    verb === 'fence'
      ? await fence(request, ports)
      : await setState(hostId, verb === 'uncordon' ? 'ready' : 'cordoned', ports)
  if (refusal !== undefined) return refusal
  if (verb === 'drain') await stopAll(request, ports)
  if (verb === 'uncordon') await startAgain(request, ports)
  ports.log.info({ ...request }, 'An operator has changed a host.')
  const host = (await listHosts(ports)).find((one) => one.hostId === hostId)
  return host === undefined ? refuseHost(hostId, ports) : done(host)
}

export const refuseHost = (id: string, { catalogue }: OperationPorts): Refusal =>
  refuse('NOT_FOUND', { what: 'Host', id, where: `region ${catalogue.region}` })

async function setState(
  hostId: HostId,
  state: 'ready' | 'cordoned',
  ports: OperationPorts,
): Promise<Refusal | undefined> {
  const outcome = await ports.store.setHostState({ hostId, state, nowMs: ports.clock.nowMs() })
  switch (outcome.kind) {
    case 'done':
      return undefined
    case 'not-found':
      return refuseHost(hostId, ports)
    case 'fenced': {
      const message = `Host ${hostId} is fenced: end the guests that are left there, remove its state directory and start its agent again; it comes back cordoned.`
      return refuse('WRONG_STATE', { message })
    }
  }
}

async function fence(
  { hostId, confirm, requestId }: ChangeHost,
  ports: OperationPorts,
): Promise<Refusal | undefined> {
  if (confirm !== hostId) {
    const message = `A fence gives up every instance on the host: make sure that it is off and stays off, then send {"confirm": "${hostId}"}.`
    return refuse('INVALID_VALUE', { message }, 'confirm')
  }
  const host = ports.fleet.snapshot().find((one) => one.hostId === hostId)
  if (host?.connected) {
    const message = `Host ${hostId} is connected, so its guests may run: power it off first.`
    return refuse('WRONG_STATE', { message })
  }
  const outcome = await ports.store.fenceHost({ hostId, requestId, nowMs: ports.clock.nowMs() })
  return outcome.kind === 'not-found' ? refuseHost(hostId, ports) : undefined
}

/**
 * Disks stay where they are, and so does the memory of what is suspended. What is stopped by this is started again once the
 * host takes instances.
 */
async function stopAll(
  { hostId, principal, requestId, noticeMs = defaultNoticeMs }: ChangeHost,
  ports: OperationPorts,
): Promise<void> {
  for (const { uid, project, desiredState } of await ports.store.listInstancesOnHost(hostId)) {
    if (desiredState === DesiredState.SUSPENDED) continue
    await ports.store.changeInstance({
      ...{ verb: 'stop', project, idOrUid: uid, principal, requestId, stopDeadlineMs },
      maintenanceNoticeMs: noticeMs,
      operationId: operationId(ports.random.uuid()),
      commandId: ports.random.uuid(),
      nowMs: ports.clock.nowMs(),
    })
  }
  ports.dispatch.nudge(hostId)
}

/** What a drain has stopped, and nobody has started or stopped since. One that finds no room is left for its owner. */
async function startAgain(
  { hostId, principal, requestId }: ChangeHost,
  ports: OperationPorts,
): Promise<void> {
  for (const { uid, project, status, reason } of await ports.store.listInstancesOnHost(hostId)) {
    if (status !== 'STOPPED' || reason !== maintenanceReason) continue
    const outcome = await changeInstance(
      { verb: 'start', project, idOrUid: uid, body: null, principal, requestId },
      ports,
    )
    if (outcome.kind === 'done') continue
    ports.log.warn({ instanceUid: uid, hostId, requestId }, `Not started again: ${outcome.message}`)
  }
}
