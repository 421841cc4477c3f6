import { create } from '@bufbuild/protobuf'
import { expect, it } from 'vitest'
import { HostFactsSchema } from '../../../proto/gen/berth/agent/v1/host_pb.ts'
import { pciAddress } from '../../../proto/ids.ts'
import { renderPartitions } from '../../../scheduler/api/host-partitions.ts'

const gpus = ['0000:10:00.0', '0000:11:00.0', '0000:12:00.0', '0000:13:00.0'].map(pciAddress)
const partitions = [
  { id: 0, addresses: gpus },
  { id: 1, addresses: gpus.slice(0, 2) },
  { id: 2, addresses: gpus.slice(2) },
  { id: 3, addresses: gpus.slice(3) },
]
const facts = create(HostFactsSchema, { fabric: { partitions } })

type Device = Parameters<typeof renderPartitions>[0]['devices'][number]
/** By the numbers of those that are otherwise than free. */
const statesWith = (changes: Readonly<Record<number, Partial<Device>>>) =>
  renderPartitions({
    facts,
    devices: gpus.map((address, at) => ({
      ...{ address, numaNode: 0, present: true, state: 'FREE' },
      ...changes[at],
    })),
  }).map(({ state }) => state)
const inUse = (claimedBy: string) => ({ state: 'IN_USE', claimedBy }) as const

it('a partition is free while nobody has any of its GPUs', () => {
  expect(statesWith({})).toEqual(['FREE', 'FREE', 'FREE', 'FREE'])
  expect(renderPartitions({ facts: create(HostFactsSchema), devices: [] })).toEqual([])
})

it('a partition is active for whoever has exactly its GPUs, and those that it shares them with are not', () => {
  expect(statesWith({ 0: inUse('one'), 1: inUse('one') })).toEqual(['BLOCKED', 'ACTIVE', 'FREE', 'FREE'])
  const pairs = { 0: inUse('one'), 1: inUse('one'), 2: inUse('two'), 3: inUse('two') }
  expect(statesWith(pairs)).toEqual(['BLOCKED', 'ACTIVE', 'ACTIVE', 'BLOCKED'])
})

it('a partition is blocked from the claim on, and until its GPUs are back', () => {
  const claimed = { claimedBy: 'one' }
  expect(statesWith({ 0: claimed, 1: claimed })[1]).toBe('BLOCKED')
  expect(statesWith({ 3: { state: 'RESETTING' } })).toEqual(['BLOCKED', 'FREE', 'BLOCKED', 'BLOCKED'])
})

it('a partition is unhealthy with any of its GPUs', () => {
  const states = ['UNHEALTHY', 'FREE', 'UNHEALTHY', 'FREE']
  expect(statesWith({ 2: { state: 'QUARANTINED' } })).toEqual(states)
  expect(statesWith({ 2: { present: false } })).toEqual(states)
})
