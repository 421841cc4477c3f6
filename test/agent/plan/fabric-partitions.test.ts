import { create } from '@bufbuild/protobuf'
import { expect, it } from 'vitest'
import { choosePartition, locatePartitions } from '../../../agent/plan/fabric-partitions.ts'
import { FabricActivationSchema } from '../../../proto/gen/berth/journal/v1/journal_pb.ts'
import { pciAddress } from '../../../proto/ids.ts'

const listed = [
  { id: 0, isActive: true, gpus: [{ moduleId: 2 }, { moduleId: 1 }] },
  { id: 1, isActive: false, gpus: [{ moduleId: 1 }] },
  { id: 2, isActive: false, gpus: [{ moduleId: 9, address: pciAddress('0000:09:00.0') }] },
  { id: 3, isActive: false, gpus: [{ moduleId: 1 }, { moduleId: 7 }] },
]
const moduleIds = new Map([
  [1, '0000:0b:00.0'],
  [2, '0000:0a:00.0'],
])

it('says by addresses what is listed by modules, and leaves out what it knows half of', () => {
  expect(locatePartitions(listed, moduleIds)).toEqual({
    partitions: [
      { id: 0, isActive: true, addresses: ['0000:0a:00.0', '0000:0b:00.0'] },
      { id: 1, isActive: false, addresses: ['0000:0b:00.0'] },
      { id: 2, isActive: false, addresses: ['0000:09:00.0'] },
    ],
    unknownModuleIds: [7],
  })
})

it('gives an instance the partition that is active for it, and nobody else', () => {
  const { partitions } = locatePartitions(listed, moduleIds)
  const addresses = ['0000:0b:00.0', '0000:0a:00.0']
  const activations = [create(FabricActivationSchema, { partitionId: 0, instanceUid: 'one', addresses })]
  const choose = (instanceUid: string, given: typeof activations) =>
    choosePartition({ instanceUid, addresses, partitions, activations: given })
  expect(choose('one', activations)).toMatchObject({ kind: 'found', partition: { id: 0 } })
  expect(choose('two', activations)).toMatchObject({
    kind: 'taken',
    message: expect.stringContaining('instance one'),
  })
  expect(choose('one', [])).toMatchObject({ kind: 'taken', message: expect.stringContaining('fmpm -d 0') })
})
