import { describe, expect, it } from 'vitest'
import { parseControlRequest } from '../../../agent/metadata/control-protocol.ts'

const networkUid = '0192a5b0-0000-7000-8000-4f2a90c1d3e5'

describe('parseControlRequest', () => {
  it.each([
    { id: 1, verb: 'listen', networkUid, namespace: 'berth-2a90c1d3e5' },
    { id: 2, verb: 'stop', networkUid },
    { id: 3, verb: 'status' },
    { id: 4, verb: 'end' },
  ])('reads %o', (request) => {
    expect(parseControlRequest(JSON.stringify(request))).toEqual(request)
  })

  it.each([
    'x',
    '{}',
    '{"id":1,"verb":"reboot"}',
    JSON.stringify({ id: 1, verb: 'listen', networkUid: '../../etc', namespace: 'a' }),
    JSON.stringify({ id: 1, verb: 'listen', networkUid, namespace: '../mnt' }),
    JSON.stringify({ id: 1, verb: 'listen', networkUid, namespace: '-h' }),
    JSON.stringify({ verb: 'status' }),
  ])('refuses %s', (line) => {
    expect(parseControlRequest(line)).toBeUndefined()
  })
})
