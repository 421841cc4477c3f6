// What a session makes of a host's reports about devices, and of its no to an operator's word on one.
import { create } from '@bufbuild/protobuf'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { systemRandom } from '../../../lib/random.ts'
import { DeviceObservationSchema, DeviceState } from '../../../proto/gen/berth/agent/v1/device_pb.ts'
import {
  type Command,
  CommandAckSchema,
  CommandOutcome,
  HelloSchema,
  ReportSchema,
  type SessionResponse,
} from '../../../proto/gen/berth/agent/v1/session_pb.ts'
import { hostId } from '../../../proto/ids.ts'
import { decodeCommand } from '../../../scheduler/model/queued-command.ts'
import type { Store } from '../../../scheduler/store/store.ts'
import { type LiveSession, startLiveSession } from '../../../scheduler/stream/live-session.ts'
import { createPendingQueries } from '../../../scheduler/stream/pending-queries.ts'
import { gpu, host, hostOf, makeZones } from '../../contract/store-values.ts'
import { openInProcessStore } from '../store/in-process.ts'
import { eventually } from './eventually.ts'

const ports = { clock: systemClock, random: systemRandom }
let store: Store
let session: LiveSession
let sent: SessionResponse['body'][]
let told: Command[]
beforeEach(async () => {
  store = await openInProcessStore()
  await makeZones(store)
  await store.registerHost(hostOf())
  sent = []
  told = []
  session = startLiveSession({
    ...{ hostId: host, hello: create(HelloSchema, {}), epoch: 1, nextCommandSequence: 1, windowSize: 8 },
    ...{
      store,
      queries: createPendingQueries({ ...ports, sessions: { find: () => undefined }, timeoutMs: 1000 }),
      ...ports,
    },
    log: silentLogger,
    send: async ({ body }) => void sent.push(body),
    sendCommand: async (command) => void told.push(decodeCommand(command)),
    gathered: async () => {},
    beingNoted: new Map(),
    onFailure: (thrown) => {
      throw thrown
    },
  })
})
afterEach(() => store.close())

const find = async () => (await store.listDevices(hostId(host)))?.find(({ address }) => address === gpu(1))

it('is acknowledged once it is in the store', async () => {
  const value = create(DeviceObservationSchema, {
    ...{ address: gpu(1), present: true, state: DeviceState.SCRUBBING, deadlineUnixMs: 7n },
  })
  const report = create(ReportSchema, { sequence: 1n, body: { case: 'device', value } })
  await session.receive({ case: 'report', value: report })
  expect(sent).toMatchObject([{ case: 'reportAck', value: { sequence: 1n } }])
  expect(await find()).toMatchObject({ state: 'SCRUBBING', deadlineMs: 7 })
})

it.each([
  [CommandOutcome.INVALID, 'It has a guest.', { reason: 'COMMAND_INVALID', message: 'It has a guest.' }],
  [
    CommandOutcome.UNSUPPORTED,
    '',
    { reason: 'COMMAND_UNSUPPORTED', message: expect.stringContaining('upgrade') },
  ],
] as const)('tells of a no (%s) where the command was asked', async (outcome, message, error) => {
  const asked = { hostId: host, address: gpu(1), verb: 'reset' as const, nowMs: 1 }
  await store.changeDevice({ ...asked, commandId: 'c', requestId: 'r' })
  session.nudge()
  await eventually('the command is sent', () => told.length === 1)
  expect(told).toMatchObject([{ uid: gpu(1), body: { case: 'ensureDevice' } }])
  const value = create(CommandAckSchema, { sequence: 1n, commandId: 'c', outcome, message })
  await session.receive({ case: 'commandAck', value })
  expect((await find())?.lastCommand).toMatchObject({ verb: 'reset', status: 'DONE', error })
  expect(await store.readOutbox({ hostId: host, fromSequence: 0, limit: 9 })).toEqual([])
})
