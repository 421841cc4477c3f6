import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { expect, it } from 'vitest'
import { Members } from '../../../agent/instance/members.ts'
import type { NetworkUse } from '../../../agent/instance/network-use.ts'
import { createJournal } from '../../../agent/journal/journal.ts'
import { silentLogger } from '../../../lib/log.ts'
import { NetworkMembersSchema } from '../../../proto/gen/berth/agent/v1/network_pb.ts'
import { FakeHost } from './fake-host.ts'

const networkUid = 'net-1'
const member = (instanceUid: string, address = '10.0.0.5') => ({
  ...{ instanceUid, hostname: `${instanceUid}.example`, addresses: [address] },
})

function start(files: FakeHost['files'], refusals = 0) {
  const journal = createJournal({ files, directories: { state: '/state', run: '/run/berth' } })
  const members = new Members({ journal, log: silentLogger })
  let [left, changes] = [refusals, 0]
  const use: Pick<NetworkUse, 'changeMembers'> = {
    changeMembers: async (uid) => {
      left -= 1
      if (left >= 0) throw new Error('The planned fault.')
      await members.keep(uid)
      changes += 1
    },
  }
  const take = (told: MessageInitShape<typeof NetworkMembersSchema>) =>
    members.take(create(NetworkMembersSchema, { networkUid, ...told }), use as NetworkUse)
  const known = () =>
    members.of(networkUid).map(({ instanceUid, addresses }) => `${instanceUid} ${addresses}`)
  return { members, journal, take, known, changes: () => changes }
}

it('takes a whole list, and then what changes', async () => {
  const { take, known, changes } = start(new FakeHost().files)
  await take({ isComplete: true, members: [member('a'), member('b')] })
  await take({ members: [member('b', '10.0.0.7'), member('c')], goneInstanceUids: ['a', 'never-here'] })
  expect(known()).toEqual(['b 10.0.0.7', 'c 10.0.0.5'])
  await take({ isComplete: true, members: [member('c')] })
  expect(known()).toEqual(['c 10.0.0.5'])
  expect(changes()).toBe(3)
})

it('does nothing for what it knows already', async () => {
  const { take, changes } = start(new FakeHost().files)
  await take({ isComplete: true, members: [member('a')] })
  await take({ members: [member('a')], goneInstanceUids: ['b'] })
  await take({ isComplete: true, members: [member('a')] })
  expect(changes()).toBe(1)
})

it('remembers them over a restart, while somebody uses the network', async () => {
  const { files } = new FakeHost()
  await start(files).take({ isComplete: true, members: [member('a')] })
  const second = start(files)
  await second.members.recover(new Set([networkUid]))
  expect(second.known()).toEqual(['a 10.0.0.5'])
  const third = start(files)
  await third.members.recover(new Set())
  expect([third.known(), await third.journal.listMembers()]).toEqual([[], []])
})

it('knows what could not be served, for who joins next', async () => {
  const { take, known, changes } = start(new FakeHost().files, 1)
  await take({ isComplete: true, members: [member('a')] })
  expect([known(), changes()]).toEqual([['a 10.0.0.5'], 0])
})

it('writes nothing where nobody is elsewhere', async () => {
  const { take, journal } = start(new FakeHost().files)
  await take({ isComplete: true, members: [] })
  expect(await journal.listMembers()).toEqual([])
})

it('forgets them with the last member', async () => {
  const { members, journal, take, known } = start(new FakeHost().files)
  await take({ isComplete: true, members: [member('a')] })
  await members.forget(networkUid)
  expect([known(), await journal.listMembers()]).toEqual([[], []])
})
