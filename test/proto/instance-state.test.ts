import { describe, expect, it } from 'vitest'
import {
  type InstanceStatus,
  instanceLifecycle,
  instanceStatuses,
  isLegalEdge,
} from '../../proto/instance-state.ts'

describe('the lifecycle table', () => {
  it('has every status and no other', () => {
    expect(Object.keys(instanceLifecycle).toSorted()).toEqual(instanceStatuses.toSorted())
  })

  it.each(instanceStatuses)('names each way on from %s once, and never itself', (status) => {
    const { next } = instanceLifecycle[status]
    expect(new Set(next).size).toBe(next.length)
    expect(next).not.toContain(status)
  })

  it.each(instanceStatuses)('lets %s be deleted', (status) => {
    expect(isLegalEdge(status, 'DEPROVISIONING')).toBe(true)
  })

  it('leads nowhere from DEPROVISIONING and only there from FAILED', () => {
    expect(instanceLifecycle.DEPROVISIONING.next).toEqual([])
    expect(instanceLifecycle.FAILED.next).toEqual(['DEPROVISIONING'])
  })

  it('reaches every status from a placement, but for those before it', () => {
    const reached = new Set<InstanceStatus>(['PROVISIONING'])
    for (const status of reached) for (const next of instanceLifecycle[status].next) reached.add(next)
    expect(instanceStatuses.filter((status) => !reached.has(status))).toEqual(['PENDING'])
  })

  it.each(instanceStatuses.filter((status) => status.endsWith('ING')))(
    'gives %s a deadline unless it may last',
    (status) => {
      const mayLast = status === 'RUNNING' || status === 'PENDING'
      expect(instanceLifecycle[status].deadlineMs === undefined).toBe(mayLast)
    },
  )
})
