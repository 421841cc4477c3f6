// Devices of hosts, for operators: what state each is in and why, and their word on it. In: the device and who asks. Out: the
// device as it is from now on, or a refusal. Never: waits for a host, or frees what an instance has.
import { type HostId, type PciAddress, projectId } from '../../proto/ids.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import { type Refusal, refuse } from '../errors.ts'
import type { DeviceRecord, DeviceVerb } from '../model/device.ts'
import type { IdempotencyKey } from '../store/store.ts'
import { idempotencyKeyOf } from './idempotency.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'

export interface ChangeDevice {
  readonly verb: DeviceVerb
  readonly hostId: HostId
  readonly address: PciAddress
  readonly reason?: string
  readonly idempotencyKey?: string
  readonly principal: string
  readonly requestId: string
}

export async function listDevices(
  hostId: HostId,
  ports: Pick<OperationPorts, 'store' | 'catalogue'>,
): Promise<Outcome<readonly DeviceRecord[]>> {
  const devices = await ports.store.listDevices(hostId)
  return devices === undefined ? refuseHost(hostId, ports) : done(devices)
}

/** Durable once this resolves. From here on nobody is given the device until its host has taken the word. */
export async function changeDevice(
  request: ChangeDevice,
  ports: OperationPorts,
): Promise<Outcome<DeviceRecord>> {
  const { verb, hostId, address, reason, requestId } = request
  const idempotency = keyOf(request, ports)
  const outcome = await ports.store.changeDevice({
    ...{ verb, hostId, address, requestId, nowMs: ports.clock.nowMs(), commandId: ports.random.uuid() },
    ...(reason === undefined ? {} : { reason }),
    ...(idempotency === undefined ? {} : { idempotency }),
  })
  switch (outcome.kind) {
    case 'accepted':
      ports.log.info({ ...request }, 'An operator has spoken on a device.')
      ports.dispatch.nudge(hostId)
      return done(outcome.device)
    case 'other-request':
      return refuse('IDEMPOTENCY_KEY_REUSED', { key: request.idempotencyKey ?? '' })
    case 'not-found':
      return outcome.what === 'host'
        ? refuseHost(hostId, ports)
        : refuse('NOT_FOUND', { what: 'Device', id: address, where: `host ${hostId}` })
    case 'wrong-state':
      return refuse('WRONG_STATE', { message: outcome.message })
  }
}

const refuseHost = (id: string, { catalogue }: Pick<OperationPorts, 'catalogue'>): Refusal =>
  refuse('NOT_FOUND', { what: 'Host', id, where: `region ${catalogue.region}` })

/** Hosts are in no project. */
function keyOf(
  { verb, hostId, address, reason, principal, idempotencyKey: key }: ChangeDevice,
  { catalogue }: OperationPorts,
): IdempotencyKey | undefined {
  if (key === undefined) return undefined
  const path = resourcePaths(catalogue.region).device(hostId, address)
  return idempotencyKeyOf({ project: projectId(''), principal, key, method: verb, path, body: reason ?? '' })
}
