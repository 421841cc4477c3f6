// `berth hosts devices` against the real API; the host's part is played by what it would report.
import { create } from '@bufbuild/protobuf'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { DeviceObservationSchema, DeviceState } from '../../proto/gen/berth/agent/v1/device_pb.ts'
import { hostId, pciAddress } from '../../proto/ids.ts'
import { type Region, startRegion } from '../scheduler/api/region.ts'
import { runBerth } from './berth.ts'

const host = hostId('host-1')
const [first, second] = [pciAddress('0000:10:00.0'), pciAddress('0000:11:00.0')]
let region: Region
let env: Record<string, string>
beforeAll(async () => {
  region = await startRegion()
  env = {
    ...{ BERTH_SERVER: region.url, BERTH_REGION: 'us-texas-1', BERTH_PROJECT: 'project-x9y8z7' },
    BERTH_TOKEN: await region.issuer.tokenFor('operator'),
  }
  await observe({ state: DeviceState.QUARANTINED, reason: 'RESET_FAILED', message: 'It hangs.' })
})
afterAll(() => region.close())

const berth = (...args: string[]) => runBerth(['hosts', 'devices', ...args], env)
const observe = (seen: { state: DeviceState; reason?: string; message?: string; generation?: number }) =>
  region.store.applyDeviceObservation({
    ...{ hostId: host, epoch: 1, nowMs: 1 },
    observation: create(DeviceObservationSchema, { address: first, present: true, ...seen }),
  })

it('shows what is the matter with each', async () => {
  const { stdout } = await berth('list', 'host-1')
  expect(stdout).toMatch(/0000:10:00\.0 +nvidia-h100-80gb +0 +QUARANTINED +RESET_FAILED/)
  expect(stdout).toMatch(/0000:11:00\.0 +nvidia-h100-80gb +0 +FREE +-/)
  expect((await berth('describe', 'host-1', first)).stdout).toMatch(/^ +It hangs\.$/m)
  expect((await berth('get', 'host-1', 'nothing')).exitCode).toBe(4)
})

it('waits for the host, and says what has become of it', async () => {
  const releasing = berth('release', 'host-1', first)
  const isAsked = async () =>
    (await region.store.readOutbox({ hostId: host, fromSequence: 0, limit: 1 })).length
  while ((await isAsked()) === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  await observe({ state: DeviceState.FREE, generation: 1 })
  expect((await releasing).stdout).toBe(`${first} is FREE\n`)

  const flags = ['--reason', 'It is warm.', '--no-wait']
  const asked = await berth('quarantine', 'host-1', first, second, ...flags)
  expect(asked.stdout).toBe(`${first}: quarantine is asked for\n${second}: quarantine is asked for\n`)
  const late = await berth('reset', 'host-1', second, '--timeout', '0')
  expect([late.exitCode, late.stderr]).toEqual([1, expect.stringContaining('has not carried it out')])
  const nothing = await berth('release', 'host-1', first)
  expect([nothing.exitCode, nothing.stderr]).toEqual([
    5,
    expect.stringContaining('nothing to release it from'),
  ])
})
