import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { systemRandom } from '../../../lib/random.ts'
import { hostId, operationId } from '../../../proto/ids.ts'
import { tellOverdue } from '../../../scheduler/reconcile/deadlines.ts'
import { project, type StreamRegion, startStreamRegion } from '../stream/region.ts'
import { registration } from './registration.ts'

const minuteMs = 60_000
let region: StreamRegion

beforeEach(async () => {
  region = await startStreamRegion()
  await region.store.registerHost(registration)
})

afterEach(async () => {
  await region.close()
})

const tellAt = (laterMs: number, isConnected: boolean) =>
  tellOverdue({
    store: region.store,
    isConnected: () => isConnected,
    clock: { ...systemClock, nowMs: () => Date.now() + laterMs },
  })

describe('what lasts too long', () => {
  it('is left alone before its deadline', async () => {
    const instance = await region.createInstance('host-1')
    await tellAt(minuteMs, false)
    expect(await region.find(instance)).toEqual(instance)
  })

  it('says that its host is not connected, keeps status and claims, and says it once', async () => {
    const instance = await region.createInstance('host-1')
    await tellAt(3 * minuteMs, false)
    const told = await region.find(instance)
    expect(told).toMatchObject({
      ...{ status: 'PROVISIONING', reason: 'HOST_SILENT', holds: 'everything' },
      statusMessage: expect.stringMatching(
        /^PROVISIONING since 20\S+Z, longer than it should take: its host is not/,
      ),
    })
    await tellAt(9 * minuteMs, false)
    expect(await region.find(instance)).toEqual(told)
  })

  it('says whether the host has taken the request', async () => {
    const instance = await region.createInstance('host-1')
    await tellAt(3 * minuteMs, true)
    expect(await region.find(instance)).toMatchObject({ reason: 'COMMAND_NOT_TAKEN' })
    await region.store.acknowledgeCommands({ hostId: hostId('host-1'), throughSequence: 1 })
    await tellAt(3 * minuteMs, true)
    expect(await region.find(instance)).toMatchObject({ reason: 'OVERDUE', holds: 'everything' })
  })

  it('is a notice of work on the host, for as long as the host is there', async () => {
    const { uid } = await region.createInstance('host-1')
    const stop = { verb: 'stop', project, idOrUid: uid, principal: 'operator', requestId: 'req_1' } as const
    const ids = { operationId: operationId(systemRandom.uuid()), commandId: systemRandom.uuid() }
    const notice = { maintenanceNoticeMs: 60 * minuteMs, stopDeadlineMs: minuteMs, nowMs: Date.now() }
    const outcome = await region.store.changeInstance({ ...stop, ...ids, ...notice })
    if (outcome.kind !== 'accepted') throw new Error(outcome.kind)
    await region.store.acknowledgeCommands({ hostId: hostId('host-1'), throughSequence: 2 })
    await tellAt(30 * minuteMs, true)
    expect(await region.find(outcome.instance)).toEqual(outcome.instance)
    await tellAt(30 * minuteMs, false)
    expect(await region.find(outcome.instance)).toMatchObject({ status: 'STOPPING', reason: 'HOST_SILENT' })
  })
})
