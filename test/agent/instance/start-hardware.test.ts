import { expect, it } from 'vitest'
import { createJournal } from '../../../agent/journal/journal.ts'
import type { HostHardware } from '../../../agent/plan/host-hardware.ts'
import { InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { h100Bars, hgxHost, toldIn } from '../plan/hgx-host.ts'
import { seen, startAgentOn } from './agent-on.ts'
import { commandFor, spec } from './commands.ts'
import { directories, FakeHost } from './fake-host.ts'

const hardware: HostHardware = {
  ...hgxHost({ hasHugepages: false }),
  devices: new Map([['0000:3b:00.0', { numaNode: 1, path: [], bars: h100Bars }]]),
}
const guest = { ...spec, vcpus: 4 }

async function reportOn(host: FakeHost, wanted = guest) {
  const { supervisor } = await startAgentOn(host)
  await supervisor.accept(commandFor({ desired: 'RUNNING', generation: 1, spec: wanted }))
  await expect.poll(() => seen(supervisor)?.phase).toBe(InstancePhase.RUNNING)
  return seen(supervisor)
}

async function startOn(host: FakeHost) {
  await reportOn(host)
  const [entry] = await createJournal({ files: host.files, directories }).listInstances()
  return entry?.kind === 'record' ? entry.record : undefined
}

it('starts a guest near its GPU, and notes what it sees and which CPUs are its own', async () => {
  const host = new FakeHost()
  host.hardware = hardware
  const record = await startOn(host)
  expect(record?.pinned?.hardware).toMatchObject({ cells: 1, threadsPerCore: 2, mmio64Mib: 256n * 1024n })
  expect(record?.hostShare?.cpus).toEqual([94, 190, 95, 191])
  expect(host.lastStart?.machine.hardware).toMatchObject({
    pinning: { vcpus: [[94], [190], [95], [191]] },
    memory: [{ nodeId: 1, isBound: true }],
  })
  expect(host.lastStart?.startTimeoutMs).toBeGreaterThan(60_000)
})

it('starts it as ever where nothing is known of the host', async () => {
  const host = new FakeHost()
  const record = await startOn(host)
  expect(record?.pinned?.hardware).toBeUndefined()
  expect(record?.hostShare?.cpus).toEqual([])
  expect(host.lastStart?.machine.hardware).toBeUndefined()
})

it('reports where the guest is, and why it is not where it was to be', async () => {
  const host = new FakeHost()
  host.hardware = hardware
  expect((await reportOn(host, toldIn(guest, 1)))?.hostPart).toMatchObject({
    ...{ numaNodes: [1], cpus: [94, 190, 95, 191], drift: '' },
  })
  const other = new FakeHost()
  other.hardware = hardware
  expect((await reportOn(other, toldIn(guest, 2)))?.hostPart).toMatchObject({
    numaNodes: [1],
    drift: expect.stringContaining('node 2 is not there'),
  })
})

it('reports nothing of the kind of a guest that has neither GPUs nor cells', async () => {
  expect((await reportOn(new FakeHost(), { ...guest, gpus: [] }))?.hostPart).toBeUndefined()
})
