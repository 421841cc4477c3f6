// Somebody else who is plugged into the trunk, and what of its frames reaches guests: nothing that lies about them, their
// neighbours on their host, or the services; and everything that an honest guest elsewhere would send.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { uplinkPortName } from '../../agent/plan/names.ts'
import { linkLocalOf } from '../../agent/plan/nft-ipv6.ts'
import { flood } from '../agent/drivers/network/flood.ts'
import { type Cast, hex16, hexMac, nameFrames, withTags } from '../agent/drivers/network/frames.ts'
import { type GuestNamespace, startInside } from '../agent/drivers/network/guest-namespace.ts'
import { endsAtUplink, forgedKinds, honestKinds, ofStrangers } from '../agent/drivers/network/matrix.ts'
import { waitUntil } from '../e2e/region.ts'
import type { LabGuest } from './guests.ts'
import type { LabHost } from './host.ts'
import { askServices, heals, reaches, type TwoRacks, tell } from './two-racks.ts'

const own = { mac: '02:77:00:00:00:01', ip: '10.90.0.77', ip6: 'fd5b:90::77' }
const foreignIp = '10.90.0.66'
const floodCount = 10_000
const floodPiece = 250

export const strangerTests = (racks: () => TwoRacks) =>
  describe('with a stranger on their trunk', { timeout: 900_000 }, () => {
    let lab: TwoRacks
    let stranger: GuestNamespace
    let cast: Cast
    let vlan: string

    beforeAll(async () => {
      lab = racks()
      stranger = lab.trunk.plugStranger('mallory', own.mac)
      const { address: ip, macAddress: mac, ipv6Address: ip6 } = lab.near
      cast = { own, other: { mac, ip, ip6 }, service: await readService(lab.near) }
      vlan = `8100${hex16(lab.network.vlan)}`
    })

    /** Each kind once, with these tags; which of them come out at the guest. */
    const arrivals = async (tags: string) => {
      const frames = nameFrames([...honestKinds(cast), ...forgedKinds(cast)])
      const arrived = await captureAt(lab.near, async () => {
        // A host that is emulated takes no more at once.
        for (let at = 0; at < frames.length; at += 20) {
          stranger.send(frames.slice(at, at + 20).map(({ hex }) => withTags(hex, tags)))
          await sleep(150)
        }
      })
      return frames
        .filter(({ marker }) => arrived.some((hex) => hex.includes(marker)))
        .map(({ what }) => what)
    }

    it('let in what a neighbour elsewhere says, and nothing in the name of who is here', async () => {
      await lab.near.ask(`ping -c 1 ${lab.far.address}`)
      const honest = honestKinds(cast).map(([what]) => what)
      const allowed = [...honest, ...forgedKinds(cast).map(([what]) => what)].filter((what) =>
        ofStrangers.has(what) ? true : honest.includes(what) && !endsAtUplink.has(what),
      )
      expect(await arrivals(vlan)).toEqual(allowed)
    })

    it.each([
      ['no tag', ''],
      ['a priority alone', '81000000'],
      ['the tag of another network', '81000047'],
      ["the network's tag within another's", '8100004781000046'],
      ["another's tag within the network's", '8100004681000047'],
      ["the network's tag twice", '8100004681000046'],
      ["a provider's tag", '88a80046'],
      ["the network's tag within a provider's", '88a8004681000046'],
    ])('let in nothing with %s', async (_what, tags) => {
      expect(await arrivals(tags)).toEqual([])
    })

    it('hold a flood of forged frames back, and serve and reach each other meanwhile', async () => {
      const { near, next, far } = lab
      const port = uplinkPortName(lab.network.uid)
      const count = async () =>
        Number((await near.host.exec(`cat /sys/class/net/${port}/statistics/rx_packets`)).stdout)
      const before = await count()
      let served = 0
      let reached = 0
      let isOver = false
      const frames = await captureAt(near, async () => {
        const send = async () => {
          for (let seed = 1; seed <= floodCount / floodPiece; seed += 1) {
            await flood(stranger.name, cast, { seed, count: floodPiece, vlanTags: vlan })
            await sleep(100)
          }
          isOver = true
        }
        const ask = async () => {
          while (!isOver) {
            for (const guest of [near, next]) {
              const { isServed, foreign } = await askServices(guest)
              expect(foreign).toEqual([])
              if (isServed) served += 1
            }
            if (await reaches(near, far.address)) reached += 1
          }
        }
        await Promise.all([send(), ask()])
      })
      const arrived = (await count()) - before
      const flooded = frames.filter((hex) => hex.includes('be57f10d'))
      tell(
        `${arrived} of ${floodCount} forged frames came to the port, ${flooded.length} of strangers passed, meanwhile ${served} times served and ${reached} times reached`,
      )
      expect(arrived).toBeGreaterThan(floodCount / 2)
      expect(flooded.filter((hex) => liesAbout(hex, [cast.other, cast.service]))).toEqual([])
      for (const guest of [near, next]) await expectServed(guest)
      await expectRightNeighbours(lab, cast)
      await heals('the flood is over, from afar', () => reaches(far, near.address))
    })

    it('believe no impostor of their services, however fast it answers', async () => {
      const { near, next, far } = lab
      const played = [near, next].flatMap(({ address, ipv6Address, macAddress }) => [
        ...[address, ipv6Address, linkLocalOf(macAddress)],
      ])
      const { ip, ip6, mac } = cast.service
      const services = [ip, ip6, linkLocalOf(mac), '169.254.169.254']
      const impostor = startInside(stranger.name, 'perl', [
        ...[join(import.meta.dirname, 'impostor.pl'), hexMac(own.mac), own.ip, foreignIp, vlan],
        ...[...played, ...services],
      ])
      const said = text(impostor.stdout)
      try {
        for (let round = 0; round < 3; round += 1) {
          for (const guest of [near, next]) {
            // It asks anew who is who, and whether there are routers.
            await guest.ask('ip neigh flush dev eth0; echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6')
            await guest.ask('echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6')
            await expectServed(guest)
          }
          expect(await reaches(next, far.address)).toBe(true)
        }
        await expectRightNeighbours(lab, cast)
      } finally {
        impostor.stdin.end()
      }
      const [, answered = ''] = (await said).trim().split('\n')
      tell(`The impostor has answered ${answered}`)
      expect(answered).toMatch(/arp=[1-9]\d* dhcp=[1-9]\d* neighbour=[1-9]\d* router=[1-9]/)
    })
  })

/** Sooner or later, and never by somebody else. */
const expectServed = (guest: LabGuest) =>
  waitUntil(`${guest.id} is served`, async () => {
    const { isServed, foreign } = await askServices(guest)
    expect(foreign).toEqual([])
    return isServed
  })

/** What the guests of the host hold for true of each other, of the services and of routers. */
async function expectRightNeighbours({ near, next }: TwoRacks, { service }: Cast): Promise<void> {
  for (const [guest, other] of [
    [near, next],
    [next, near],
  ] as const) {
    expect(await reaches(guest, other.address)).toBe(true)
    expect(await guest.ask(`ping -6 -c 3 -I eth0 ${linkLocalOf(other.macAddress)}`)).toContain('bytes from')
    const said = await guest.ask('ip neigh; ip -6 neigh; echo; ip -6 route')
    const [entries = '', routes = ''] = said.replaceAll('\r', '').split('\n\n')
    const macs = new Map([
      ...[other.address, other.ipv6Address].map((address) => [address, other.macAddress] as const),
      ...[service.ip, service.ip6].map((address) => [address, service.mac] as const),
      [linkLocalOf(service.mac), service.mac],
      [linkLocalOf(other.macAddress), other.macAddress],
    ])
    for (const line of entries.split('\n')) {
      const [, address = '', mac] = /^(\S+) dev eth0 lladdr (\S+)/.exec(line) ?? []
      const right = macs.get(address)
      if (right !== undefined) expect(`${address} ${mac}`).toBe(`${address} ${right.toLowerCase()}`)
    }
    expect(entries).toContain(`${other.address} `)
    expect(entries).toContain(`${service.ip} `)
    expect(routes).not.toMatch(/^default/m)
    expect(routes).not.toContain('fd66:')
  }
}

async function readService({ host, namespace }: LabGuest): Promise<Cast['service']> {
  const { stdout } = await host.exec(`ip -n ${namespace} -j address show dev svc0`)
  const [link] = JSON.parse(stdout) as [{ address: string; addr_info: { local: string; scope: string }[] }]
  const locals = link.addr_info.filter(({ scope }) => scope === 'global').map(({ local }) => local)
  const [ip = '', ip6 = ''] = [
    locals.find((local) => !local.includes(':') && !local.startsWith('169.254.')),
    locals.find((local) => local.includes(':')),
  ]
  return { mac: link.address, ip, ip6 }
}

/** All frames, in hex, that a host gives a guest while the work is done. */
async function captureAt({ host, tap }: LabGuest, work: () => Promise<unknown>): Promise<readonly string[]> {
  const dump = `tcpdump -i ${tap} -Q out -Z root -B 16384 -U -w /lab/frames.pcap`
  const { stdout } = await host.exec(
    `rm -f /lab/frames.pcap; ${dump} > /run/tcpdump.log 2>&1 < /dev/null & echo $!; until grep -q listening /run/tcpdump.log; do sleep 0.1; done`,
  )
  const pid = stdout.trim()
  await work()
  await sleep(2000)
  await host.exec(`kill -INT ${pid}; while kill -0 ${pid} 2> /dev/null; do sleep 0.1; done; sync`)
  return readFrames(readCapture(host))
}

const readCapture = (host: LabHost) => readFileSync(join(host.share, 'frames.pcap'))

/** A pcap file in this machine's byte order: 24 bytes, then each frame after 16. */
function readFrames(file: Buffer): readonly string[] {
  const frames: string[] = []
  for (let at = 24; at + 16 <= file.length; ) {
    const length = file.readUInt32LE(at + 8)
    frames.push(file.subarray(at + 16, at + 16 + length).toString('hex'))
    at += 16 + length
  }
  return frames
}

/** Whether a frame is in somebody's name by its source, or as DHCP or a router has no right to be from outside. */
function liesAbout(frame: string, stations: readonly Cast['own'][]): boolean {
  const type = frame.slice(24, 28)
  const macs = stations.map(({ mac }) => hexMac(mac))
  const ips = stations.map(({ ip }) => Buffer.from(ip.split('.').map(Number)).toString('hex'))
  if (macs.includes(frame.slice(12, 24))) return true
  if (type === '0806') return macs.includes(frame.slice(44, 56)) || ips.includes(frame.slice(56, 64))
  if (type === '0800') return ips.includes(frame.slice(52, 60))
  if (type === '86dd') return frame.slice(40, 42) === '3a' && ['86', '89'].includes(frame.slice(108, 110))
  return true
}
