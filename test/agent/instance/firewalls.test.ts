import { create } from '@bufbuild/protobuf'
import { expect, it } from 'vitest'
import { Firewalls } from '../../../agent/instance/firewalls.ts'
import type { NetworkUse } from '../../../agent/instance/network-use.ts'
import { createJournal } from '../../../agent/journal/journal.ts'
import { silentLogger } from '../../../lib/log.ts'
import { NetworkSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { CommandOutcome, CommandSchema } from '../../../proto/gen/berth/agent/v1/session_pb.ts'
import { FakeHost } from './fake-host.ts'

const uid = 'net-1'
const host = () => new FakeHost()

function start(files: FakeHost['files'], clock: FakeHost['clock'], refusals = 0) {
  const journal = createJournal({ files, directories: { state: '/state', run: '/run/berth' } })
  const applied: number[] = []
  let left = refusals
  const use: Pick<NetworkUse, 'changeFirewall'> = {
    changeFirewall: async (_uid, { generation }) => {
      left -= 1
      if (left >= 0) throw new Error('The planned fault.')
      applied.push(generation)
    },
  }
  const firewalls = new Firewalls({ journal, clock, log: silentLogger })
  const told = (generation: number) =>
    firewalls.accept(
      create(CommandSchema, {
        ...{ uid, generation, body: { case: 'ensureNetwork', value: { firewall: { generation } } } },
      }),
      use as NetworkUse,
    )
  const newest = (generation?: number) =>
    firewalls.newest(
      create(NetworkSchema, { uid, ...(generation === undefined ? {} : { firewall: { generation } }) }),
    ).firewall?.generation
  return { firewalls, journal, applied, told, newest }
}

it('never goes back to older rules, whoever brings them', async () => {
  const { files, clock } = host()
  const { told, newest, applied } = start(files, clock)
  expect(newest(3)).toBe(3)
  expect((await told(3)).outcome).toBe(CommandOutcome.STALE)
  expect((await told(5)).outcome).toBe(CommandOutcome.ACCEPTED)
  expect((await told(4)).outcome).toBe(CommandOutcome.STALE)
  expect([newest(2), newest(), newest(6), applied]).toEqual([5, 5, 6, [5]])
})

it('remembers them over a restart, while somebody uses the network', async () => {
  const { files, clock } = host()
  await start(files, clock).told(5)
  const second = start(files, clock)
  await second.firewalls.recover(new Set([uid]))
  expect(second.newest(2)).toBe(5)
  const third = start(files, clock)
  await third.firewalls.recover(new Set())
  expect(third.newest(2)).toBe(2)
  expect(await third.journal.listNetworks()).toEqual([])
})

it('forgets them with the last member', async () => {
  const { files, clock } = host()
  const { firewalls, journal, told, newest } = start(files, clock)
  await told(5)
  await firewalls.forget(uid)
  expect([newest(1), await journal.listNetworks()]).toEqual([1, []])
})

it('tries again what the kernel refused', async () => {
  const { files, clock } = host()
  const { firewalls, told, applied } = start(files, clock, 2)
  expect((await told(5)).outcome).toBe(CommandOutcome.ACCEPTED)
  await expect.poll(() => applied).toEqual([5])
  firewalls.close()
})
