import { expect, it } from 'vitest'
import { diskUid, hostId, operationId, projectId, zoneId } from '../../../proto/ids.ts'
import { admitInstance } from '../../../scheduler/admission/admit.ts'
import type { DiskRecord } from '../../../scheduler/model/disk.ts'
import { exampleContext } from './context.ts'

const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small'
const path = '/v1/regions/us-texas-1/projects/project-x9y8z7/compute/disks'
const diskOf = (changes: Partial<DiskRecord> = {}): DiskRecord => ({
  ...{ uid: diskUid(`uid-of-${changes.id}`), project: projectId('project-x9y8z7'), id: 'data', sizeGb: 10 },
  ...{ zone: zoneId('us1-a'), labels: {}, isMade: false, status: 'READY', statusMessage: '' },
  ...{ operationId: operationId(''), createdAtMs: 0, updatedAtMs: 0, revision: 1 },
  ...changes,
})

function admit(disks: readonly DiskRecord[], asked: readonly object[], imageId?: string) {
  const context = exampleContext()
  const images = context.catalogue.images.map((image) => ({ ...image, id: imageId ?? image.id }))
  const catalogue = { ...context.catalogue, images }
  const boot = { source: images[0]?.id ?? '' }
  return admitInstance({ type, disks: [boot, ...asked] }, { ...context, catalogue, disks })
}
const reasons = (outcome: ReturnType<typeof admit>) =>
  outcome.kind === 'refused' ? outcome.problems.map(({ reason, field }) => [reason, field]) : outcome.kind

it('asks placement for the host of a disk, or for room where it is nowhere yet, and takes neither twice', () => {
  const home = admit([diskOf({ hostId: hostId('host-2') })], [{ source: 'data' }])
  const nowhere = admit([diskOf()], [{ source: `${path}/data` }])
  expect(home).toMatchObject({ demand: { volumes: { hostId: 'host-2', newGb: 0 } } })
  expect(nowhere).toMatchObject({ demand: { volumes: { newGb: 10 } } })
  const alone = admit([], [])
  if (home.kind !== 'admitted' || alone.kind !== 'admitted') throw new Error('Refused.')
  expect(home.demand.diskGb).toBe(alone.demand.diskGb)
})

it('does not guess between an image and a disk of one name', () => {
  const both = admit([diskOf({ id: 'same' })], [], 'same')
  expect(reasons(both)).toEqual([['REFERENCE_AMBIGUOUS', 'disks[0].source']])
  expect(admit([], [], 'same').kind).toBe('admitted')
})

it.each([
  ['in use', [diskOf({ user: { uid: 'u' as never, id: 'other' } })], [{ source: 'data' }], 'DISK_IN_USE'],
  ['lost', [diskOf({ status: 'FAILED' })], [{ source: 'data' }], 'WRONG_STATE'],
  ['in another zone', [diskOf({ zone: zoneId('us1-b') })], [{ source: 'data' }], 'WRONG_ZONE'],
  ['unknown', [], [{ source: `${path}/data` }], 'REFERENCE_NOT_FOUND'],
  ['of another size', [diskOf()], [{ source: 'data', sizeGb: 3 }], 'INVALID_VALUE'],
  ['scratch', [diskOf()], [{ source: 'data', type: 'SCRATCH' }], 'INVALID_VALUE'],
])('refuses a disk that is %s', (_, disks, asked, reason) => {
  expect(reasons(admit(disks, asked))).toMatchObject([[reason, expect.stringMatching(/^disks\[1\]/)]])
})

it('refuses a disk that is named twice, and two that are on different hosts', () => {
  expect(reasons(admit([diskOf()], [{ source: 'data' }, { source: 'data' }]))).toEqual([
    ['INVALID_VALUE', 'disks[2].source'],
  ])
  const apart = [diskOf({ hostId: hostId('host-1') }), diskOf({ id: 'far', hostId: hostId('host-2') })]
  expect(reasons(admit(apart, [{ source: 'data' }, { source: 'far' }]))).toEqual([
    ['DISK_ON_OTHER_HOST', 'disks[2].source'],
  ])
})

it('boots from a blank disk only when something was written to it', () => {
  const context = { ...exampleContext(), disks: [diskOf()] }
  const body = { type, disks: [{ source: 'data' }] }
  expect(admitInstance(body, context)).toMatchObject({ problems: [{ reason: 'BOOT_DISK_NEEDS_SOURCE' }] })
  expect(admitInstance(body, { ...context, disks: [diskOf({ isMade: true })] }).kind).toBe('admitted')
})
