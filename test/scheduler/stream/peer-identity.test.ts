import { Metadata } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { peerIdentity } from '../../../scheduler/stream/peer-identity.ts'

function identify(values: Record<string, string | readonly string[]>) {
  const metadata = new Metadata()
  for (const [key, given] of Object.entries(values)) for (const one of [given].flat()) metadata.add(key, one)
  return peerIdentity({ metadata }, { sharedToken: 'the-secret' })
}

const authorization = 'Bearer the-secret'

describe('peerIdentity', () => {
  it('is the claimed host of a peer that has the token', () => {
    expect(identify({ authorization, 'berth-host-id': 'rack-7.node-2' })).toEqual({
      ...{ kind: 'host', hostId: 'rack-7.node-2' },
    })
  })

  it.each([
    ['no token', { 'berth-host-id': 'host-1' }],
    ['another token', { authorization: 'Bearer the-secre7', 'berth-host-id': 'host-1' }],
    ['a part of the token', { authorization: 'Bearer the-secre', 'berth-host-id': 'host-1' }],
    ['two tokens', { authorization: [authorization, 'Bearer x'], 'berth-host-id': 'host-1' }],
    ['no host', { authorization }],
    ['two hosts', { authorization, 'berth-host-id': ['host-1', 'host-2'] }],
    ['a host that is a path', { authorization, 'berth-host-id': '../host-1' }],
  ])('refuses %s', (_what, metadata) => {
    expect(identify(metadata)).toMatchObject({ kind: 'refused' })
  })
})
