import { create } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { createNetworkFirewall } from '../../../../agent/drivers/network/firewall.ts'
import { FakeFiles } from '../../../../agent/host/fake/fake-files.ts'
import type { Exec } from '../../../../agent/host/ports.ts'
import { firewallTableName } from '../../../../agent/plan/names.ts'
import { FirewallSchema } from '../../../../proto/gen/berth/agent/v1/network_pb.ts'

const [one, other] = ['0192a5b0-0000-7000-8000-00000000000a', '0192a5b0-0000-7000-8000-00000000000b']

describe('the firewall of a network', () => {
  /** nft, with the names of its tables of family bridge. */
  function makeHost() {
    const tables = new Set<string>()
    const asked: string[] = []
    const exec: Exec = {
      run: async (_file, args, { stdin = '' } = {}) => {
        asked.push(args.join(' '))
        for (const [, table = ''] of stdin.matchAll(/^delete table bridge (\S+)$/gm)) tables.delete(table)
        for (const [, table = ''] of stdin.matchAll(/^table bridge (\S+) \{$/gm)) tables.add(table)
        const chains = [...tables].map((table) => ({ chain: { family: 'bridge', table, hook: 'forward' } }))
        return { code: 0, stdout: JSON.stringify({ nftables: [{ metainfo: {} }, ...chains] }), stderr: '' }
      },
      start: () => Promise.reject(new Error('Nothing is started.')),
      follow: () => () => {},
    }
    const firewall = createNetworkFirewall({
      ...{ exec, files: new FakeFiles({ totalBytes: 1e9, nowMs: () => 0 }) },
      directories: { state: '/var/lib/berth', run: '/run/berth' },
    })
    return { firewall, tables, asked }
  }
  const denying = create(FirewallSchema, { deniesIngress: true })

  it('is missed where somebody has deleted it, until it is there again', async () => {
    const { firewall, tables } = makeHost()
    for (const uid of [one, other]) await firewall.ensure(uid, denying)
    expect(await firewall.findGone([one, other])).toEqual(new Set())
    tables.delete(firewallTableName(one))
    expect(await firewall.findGone([one, other])).toEqual(new Set([one]))
    await firewall.ensure(one, denying)
    expect(await firewall.findGone([one, other])).toEqual(new Set())
  })

  it('is missed at no network that has none, and then nobody is asked', async () => {
    const { firewall, asked } = makeHost()
    await firewall.ensure(one, denying)
    await firewall.ensure(one, create(FirewallSchema, { deniesIngress: false }))
    await firewall.ensure(other, undefined)
    asked.length = 0
    expect(await firewall.findGone([one, other])).toEqual(new Set())
    expect(asked).toEqual([])
  })
})
