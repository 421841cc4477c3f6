// The public keys that guests' identity tokens are verified with: those that hosts have said of themselves. Published while
// the host is the region's; what a fenced host signs is worth nothing.
import { createPublicKey } from 'node:crypto'
import { fromBinary } from '@bufbuild/protobuf'
import { calculateJwkThumbprint } from 'jose'
import { createTurns } from '../../lib/turns.ts'
import { HostFactsSchema } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import { type HostId, projectId } from '../../proto/ids.ts'
import { refuse } from '../errors.ts'
import type { StoredHost } from '../store/host-store.ts'
import type { Store } from '../store/store.ts'
import { done, type Outcome } from './outcome.ts'

/** As RFC 7517 has it. */
export interface IdentityKey {
  readonly kty: 'EC'
  readonly crv: 'P-256'
  readonly x: string
  readonly y: string
  readonly alg: 'ES256'
  readonly use: 'sig'
  readonly kid: string
}

export interface IdentityKeys {
  readonly issuer: string
  all(): Promise<readonly IdentityKey[]>
  /**
   * Only those of the host that the instance is on, by the `sub` of a token. Every host is trusted with the instances
   * that are placed on it; with these alone, it is trusted with no other.
   */
  forSubject(subject: string): Promise<Outcome<readonly IdentityKey[]>>
}

/** One host can't make the set long. */
const keysOfHost = 8

export function createIdentityKeys({
  store,
  issuer,
}: {
  store: Pick<Store, 'readHostsChangedAfter' | 'findInstance'>
  issuer: string
}): IdentityKeys {
  const known = new Map<HostId, { readonly facts: string; readonly keys: readonly IdentityKey[] }>()
  let revision = 0

  /** Only what has changed is read, and only new facts are looked into; never twice at once, lest older facts win. */
  async function refreshAlone(): Promise<void> {
    const changed = await store.readHostsChangedAfter(revision)
    for (const host of changed.hosts) {
      const facts = host.state === 'fenced' ? '' : Buffer.from(host.facts).toString('base64')
      if (known.get(host.hostId)?.facts === facts) continue
      known.set(host.hostId, { facts, keys: facts === '' ? [] : await keysOf(host) })
    }
    revision = Math.max(revision, changed.revision)
  }

  const turns = createTurns()
  const refresh = () => turns.shared('hosts', refreshAlone)

  return {
    issuer,
    all: async () => {
      await refresh()
      return [...known.values()].flatMap(({ keys }) => keys)
    },
    forSubject: async (subject) => {
      const [, project = '', uid = ''] = /^project:([^:]+):instance:([0-9a-f-]{36})$/.exec(subject) ?? []
      if (uid === '') {
        const message = 'sub is that of a token, project:PROJECT:instance:UID; leave it out for all keys.'
        return refuse('INVALID_VALUE', { message }, 'sub')
      }
      const instance = await store.findInstance(projectId(project), uid)
      await refresh()
      return done(instance?.uid === uid ? (known.get(instance.hostId)?.keys ?? []) : [])
    },
  }
}

async function keysOf({ facts }: StoredHost): Promise<readonly IdentityKey[]> {
  const { identityKeys } = fromBinary(HostFactsSchema, facts)
  const keys = await Promise.all(identityKeys.slice(0, keysOfHost).map(parseKey))
  return keys.filter((key) => key !== undefined)
}

/** undefined for what is no key of the one kind. The kid is made here: a host can't take another's. */
async function parseKey(der: Uint8Array): Promise<IdentityKey | undefined> {
  try {
    const key = createPublicKey({ key: Buffer.from(der), format: 'der', type: 'spki' })
    const { kty, crv, x, y } = key.export({ format: 'jwk' })
    if (kty !== 'EC' || crv !== 'P-256' || x === undefined || y === undefined) return undefined
    const kid = await calculateJwkThumbprint({ kty, crv, x, y })
    return { kty, crv, x, y, alg: 'ES256', use: 'sig', kid }
  } catch {
    return undefined
  }
}
