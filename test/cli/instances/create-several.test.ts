import { expect, it } from 'vitest'
import { makeBatchRequest } from '../../../cli/instances/create-several.ts'

const one = { type: 'g1-small' }

it('asks for as many that are alike, each with a name of its own', () => {
  expect(makeBatchRequest({ ...one, id: 'worker' }, { count: 2, sameHostLabel: 'rack' })).toEqual({
    instances: [
      { ...one, id: 'worker-1' },
      { ...one, id: 'worker-2' },
    ],
    scheduling: { sameHostLabel: 'rack' },
  })
  expect(makeBatchRequest(one, { count: 2 })).toEqual({ instances: [one, one] })
})

it('asks for no batch where one is asked for', () => {
  expect(makeBatchRequest(one, {})).toBeUndefined()
  expect(() => makeBatchRequest(one, { sameHostLabel: 'rack' })).toThrow('--same-host-label needs --count.')
})

it('gives no two the same hostname or address', () => {
  expect(() => makeBatchRequest({ ...one, hostname: 'h' }, { count: 2 })).toThrow('--hostname')
  expect(() => makeBatchRequest({ ...one, nics: [{ ipv4Address: '10.0.0.9' }] }, { count: 2 })).toThrow(
    '--address',
  )
})
