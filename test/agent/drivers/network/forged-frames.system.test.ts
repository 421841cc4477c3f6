import { afterAll, beforeAll, expect, it } from 'vitest'
import { filterTableName, uplinkPortName } from '../../../../agent/plan/names.ts'
import { describeNeeding } from '../../../support/needs.ts'
import { ethernet } from './frames.ts'
import { program } from './guest-namespace.ts'
import {
  type Arrivals,
  endsAtUplink,
  forgedKinds,
  honestKinds,
  ofStrangers,
  sendAll,
  sendTo,
} from './matrix.ts'
import { castOf, makeTwoHosts, type TwoHosts } from './two-hosts.ts'

const needs = { root: true, programs: ['ip', 'nft', 'dnsmasq', 'sysctl', 'perl'] }

describeNeeding(needs, 'frames that a guest or the uplink forges', () => {
  let lab: TwoHosts
  let honest: readonly string[]
  let forged: readonly string[]
  let open: Arrivals
  let filtered: Arrivals

  beforeAll(async () => {
    lab = await makeTwoHosts([5, 6])
    const cast = castOf(lab.forger, lab.neighbour)
    honest = honestKinds(cast).map(([what]) => what)
    forged = forgedKinds(cast).map(([what]) => what)
    await lab.open()
    open = await sendAll(lab)
    await lab.filter()
    filtered = await sendAll(lab)
  })

  afterAll(async () => {
    // Somebody's flushing a filter keeps nothing here.
    program('nft', [
      'delete',
      'table',
      'netdev',
      filterTableName(uplinkPortName(lab.neighbour.port.network.uid)),
    ])
    await lab.remove()
    expect(lab.readRemains()).toEqual([])
  })

  it('are of many kinds, each of which has a name of its own', () => {
    expect(forged.length).toBeGreaterThan(160)
    expect(new Set([...honest, ...forged]).size).toBe(honest.length + forged.length)
  })

  it('all arrive where nothing filters', () => {
    for (const arrived of Object.values(open)) expect([...arrived]).toEqual([...honest, ...forged])
  })

  it('reach no neighbour, and honest ones do', () => {
    expect([...filtered.oneHost]).toEqual(honest)
  })

  it('reach no guest of another host', () => {
    expect([...filtered.acrossHosts]).toEqual(honest.filter((what) => !endsAtUplink.has(what)))
  })

  it("come in from the uplink in nobody's name who is here", () => {
    const allowed = [...honest, ...forged].filter((what) =>
      ofStrangers.has(what) ? true : honest.includes(what) && !endsAtUplink.has(what),
    )
    expect([...filtered.fromUplink]).toEqual(allowed)
  })

  it('reach nobody where the kernel can not read them', () => {
    const { forger } = lab
    const { macAddress, ipv4Address, tap } = forger.port
    const hexIp = Buffer.from(ipv4Address.split('.').map(Number)).toString('hex')
    const datagram = '0043004400080000'
    const ipv4 = (start: string) => `${start}000100004011${'0000'}${hexIp}0a4d000c${datagram}`
    const unreadable = [ipv4('45000030'), ipv4('4400001c'), ipv4('6500001c')].map((payload) =>
      ethernet({ from: macAddress, type: '0800', payload }),
    )
    // Bridges drop such packets themselves where the host's firewall looks at bridged ones: seen before that.
    const count = () => {
      const table = 'berth-lab-late'
      const chain = `type filter hook ingress device "${tap}" priority 10; policy accept;`
      program(
        'nft',
        ['-f', '-'],
        `table netdev ${table} {\nchain late {\n${chain}\nether type ip counter\n}\n}\n`,
      )
      forger.send(unreadable)
      const listing = program('nft', ['list', 'table', 'netdev', table])
      program('nft', ['delete', 'table', 'netdev', table])
      return Number(/packets (\d+)/.exec(listing)?.[1])
    }
    expect(count()).toBe(0)
    program('nft', ['delete', 'table', 'netdev', filterTableName(tap)])
    expect(count()).toBe(unreadable.length)
  })

  it('are all of IPv6 for a guest that has none', async () => {
    await lab.driver.ensurePort({ ...lab.forger.port, ipv6Address: '' })
    const arrived = await sendTo(lab.neighbour, lab.forger)
    expect([...arrived]).toEqual(honest.filter((what) => !what.startsWith('IPv6')))
  })
})
