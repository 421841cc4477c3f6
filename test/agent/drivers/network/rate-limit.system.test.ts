import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLinuxNetworkDriver } from '../../../../agent/drivers/network/linux-network.ts'
import type { NetworkDriver } from '../../../../agent/drivers/network/port.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { describeNeeding } from '../../../support/needs.ts'
import { files, processes } from '../../../support/this-host.ts'
import { labNetwork, labPort } from './lab-networks.ts'
import { makeStandInHost, plugNamespace, type StandInHost } from './stand-in-host.ts'

const network = labNetwork(62)
/** One with a limit of a megabit a second, and one without. */
const [slow, fast] = [{ ...labPort(network, 203), networkMbps: 1 }, labPort(network, 204)]
const needs = {
  ...{ root: true },
  programs: ['ip', 'nft', 'tc', 'dnsmasq', 'sysctl', 'unshare', 'nsenter', 'perl'],
}
/** At once, and many times what any limit lets through in that time. */
const [datagrams, bytesEach] = [4000, 1000]

describeNeeding(needs, 'the limit of a port on the kernel', () => {
  let folder: string
  let host: StandInHost
  let driver: NetworkDriver

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'berth-limit-'))
    chmodSync(folder, 0o711)
    host = await makeStandInHost()
    driver = createLinuxNetworkDriver({
      ...{ exec: host.exec, files, processes, uplinks: [], log: silentLogger },
      directories: { state: join(folder, 'state'), run: join(folder, 'run') },
    })
    await driver.ensureNetwork(network)
    for (const port of [slow, fast]) {
      plugNamespace(host, {
        ...{ name: nameOf(port), port: port.tap, address: `${port.ipv4Address}/24`, mac: port.macAddress },
      })
      await driver.ensurePort(port)
    }
    // What is counted is the datagrams alone: nobody asks for an address or tells that nobody listens.
    for (const [port, other] of [
      [slow, fast],
      [fast, slow],
    ] as const) {
      const inside = ['-n', nameOf(port)]
      const neighbour = [other.ipv4Address, 'lladdr', other.macAddress, 'dev', 'eth0']
      host.run('ip', [...inside, 'neigh', 'replace', ...neighbour])
    }
  })

  afterEach(async () => {
    for (const { tap, macAddress } of [slow, fast]) {
      await driver.removePort({ tap, macAddress, networkUid: network.uid })
    }
    await driver.removeNetwork(network.uid)
    host.remove()
    rmSync(folder, { recursive: true })
  })

  /** How many datagrams of a burst arrive, and how long it took to send them, in seconds. */
  const burst = (from: typeof slow | typeof fast, to: typeof slow | typeof fast) => {
    const before = received(host, nameOf(to))
    const send = ['perl', '-e', burstScript, to.ipv4Address, String(datagrams), String(bytesEach)]
    const seconds = Number(host.run('ip', ['netns', 'exec', nameOf(from), ...send]))
    return { arrived: received(host, nameOf(to)) - before, seconds }
  }

  it('holds in both directions, and for nobody else', async () => {
    const bytesPerSecond = 125_000
    const [room, frame] = [131_072, bytesEach + 28 + 14]
    const sent = burst(slow, fast)
    // What the burst allows, and what time adds while it is sent; twice as much at most.
    expect(sent.arrived).toBeGreaterThan((room / frame) * 0.5)
    expect(sent.arrived).toBeLessThan(2 * ((room + sent.seconds * bytesPerSecond) / frame) + 1)
    const got = burst(fast, slow)
    expect(got.arrived).toBeGreaterThan((room / frame) * 0.5)
    expect(got.arrived).toBeLessThan(2 * ((room + (got.seconds + 1) * bytesPerSecond) / frame) + 1)

    await driver.ensurePort({ ...slow, networkMbps: 0 })
    expect(burst(slow, fast).arrived).toBeGreaterThan(datagrams / 2)
    expect(burst(fast, slow).arrived).toBeGreaterThan(datagrams / 2)
  })

  it('is seen where somebody has taken it away', async () => {
    expect(await driver.findTroubles([slow, fast])).toEqual([])
    host.run('tc', ['qdisc', 'delete', 'dev', slow.tap, 'root'])
    expect(await driver.findTroubles([slow, fast])).toEqual([{ kind: 'limit-gone', tap: slow.tap }])
    await driver.ensurePort(slow)
    expect(await driver.findTroubles([slow, fast])).toEqual([])
  })
})

const nameOf = ({ ipv4Address }: { ipv4Address: string }) => `guest-${ipv4Address.split('.').at(-1)}`

/** Frames of a namespace's interface that came in, by its own count. */
function received(host: StandInHost, namespace: string): number {
  const [link] = JSON.parse(host.run('ip', ['-n', namespace, '-j', '-s', 'link', 'show', 'dev', 'eth0'])) as [
    { stats64: { rx: { packets: number } } },
  ]
  return link.stats64.rx.packets
}

const burstScript = `
  use Socket; use Time::HiRes "time";
  socket(S, PF_INET, SOCK_DGRAM, 17) or die; my $to = sockaddr_in(9, inet_aton($ARGV[0]));
  my $what = "x" x $ARGV[2]; my $begin = time;
  for (1 .. $ARGV[1]) { send(S, $what, 0, $to); }
  print time - $begin;
`
