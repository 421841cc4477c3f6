import { create } from '@bufbuild/protobuf'
import { beforeEach, expect, it } from 'vitest'
import { createFakeHost, type FakeHost } from '../../../agent/host/fake/fake-host.ts'
import { parseShape } from '../../../agent/host/fake/shape.ts'
import { type FactsWatch, watchFacts } from '../../../agent/inventory/facts-watch.ts'
import { createFactsReader } from '../../../agent/inventory/host-facts.ts'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { type HostFacts, HostWarningSchema } from '../../../proto/gen/berth/agent/v1/host_pb.ts'
import { fixtureSettings } from './fixture-hosts.ts'

const gpus = parseShape('3xnvidia-h100-80gb').devices
const [first, second, third] = gpus
if (!first || !second || !third) throw new Error('There are three.')

let host: FakeHost
let reads: number
let watch: FactsWatch
let tick: () => void
/** By their codes, of what nobody reads here. */
let warnings: string[]
let told: HostFacts[]
let stopListening: () => void

/** A look, and all that follows from it. */
async function look(times = 1): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    tick()
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
  }
}

beforeEach(async () => {
  host = createFakeHost({
    ...{ name: 'sim-1', bootId: 'boot', nowMs: () => 0 },
    shape: { ...parseShape('2xnvidia-h100-80gb'), devices: [first, second] },
  })
  await host.files.makeDirectory(fixtureSettings.stateDirectory)
  const readAgain = await createFactsReader({ ...host, settings: fixtureSettings })
  const programs = host.exec.history.length
  reads = 0
  warnings = []
  told = []
  watch = await watchFacts({
    sysfs: host.sysfs,
    read: async () => {
      reads += 1
      const facts = await readAgain()
      // What is read again and again starts nothing.
      expect(host.exec.history).toHaveLength(programs)
      return facts
    },
    complete: (found) => ({
      ...found,
      warnings: [
        ...warnings.map((code) => create(HostWarningSchema, { code, message: code })),
        ...found.warnings,
      ],
    }),
    clock: {
      ...systemClock,
      every: (_intervalMs, run) => {
        tick = run
        return () => {
          tick = () => {}
        }
      },
    },
    log: silentLogger,
    lookIntervalMs: 5000,
  })
  stopListening = watch.onNews((facts) => told.push(facts))
})

const addresses = (facts: HostFacts | undefined) => facts?.devices.map(({ address }) => address)

it('says nothing of a host that is as it was, and seldom reads', async () => {
  await look(36)
  expect(told).toEqual([])
  expect(reads).toBe(1 + 3)
})

it('tells of a device that comes or goes at the next look, once', async () => {
  host.sysfs.plug(third)
  await look(2)
  expect(told.map(addresses)).toEqual([gpus.map(({ address }) => address)])
  host.sysfs.lose(first.address, 'pulled')
  await look(2)
  expect(told.map(addresses)[1]).toEqual([second.address, third.address])
  expect(told).toHaveLength(2)
})

it('tells of what else changes within a minute', async () => {
  const base = `sys/bus/pci/devices/${first.address}`
  await host.sysfs.write(`${base}/driver_override`, 'vfio-pci')
  await host.sysfs.write('sys/bus/pci/drivers_probe', first.address)
  await look(12)
  expect(told.map(({ devices }) => devices[0]?.driver)).toEqual(['vfio-pci'])
})

it('tells what others look after as it is then', async () => {
  warnings = ['FABRIC_UNREACHABLE']
  await look(12)
  warnings = []
  await look(12)
  const codes = told.map((facts) => facts.warnings.map(({ code }) => code))
  expect(codes.map((one) => one.includes('FABRIC_UNREACHABLE'))).toEqual([true, false])
  warnings = ['FABRIC_UNREACHABLE']
  expect(watch.take().warnings.map(({ code }) => code)).toContain('FABRIC_UNREACHABLE')
  await look(12)
  expect(told).toHaveLength(2)
})

it('keeps what changes while nobody listens for who comes then', async () => {
  stopListening()
  const before = watch.take()
  host.sysfs.plug(third)
  await look()
  expect(addresses(before)).toHaveLength(2)
  // As a Hello that was on its way meanwhile: it is told of the rest.
  const late: HostFacts[] = []
  watch.onNews((facts) => late.push(facts))
  await look(12)
  expect(late.map(addresses)).toEqual([gpus.map(({ address }) => address)])
  // Who has taken the newest is told nothing.
  host.sysfs.lose(third.address, 'pulled')
  await look()
  expect(late).toHaveLength(2)
  watch.take()
  await look(12)
  expect(late).toHaveLength(2)
})

it('looks no more once it is closed', async () => {
  watch.close()
  host.sysfs.plug(third)
  await look(12)
  expect(told).toEqual([])
  expect(reads).toBe(1)
})
