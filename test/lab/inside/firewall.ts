// Runs on a lab host, whose kernel tracks connections in bridges: networks made by the real driver, namespaces in the place
// of guests, and what gets through under which rules. Prints what it found as JSON; whoever started it judges.
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { createLinuxNetworkDriver } from '../../../agent/drivers/network/linux-network.ts'
import { createLinuxHost } from '../../../agent/host/linux-host.ts'
import { readFeatures, tryKernel } from '../../../agent/inventory/features.ts'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { FirewallProtocol, FirewallSchema } from '../../../proto/gen/berth/agent/v1/network_pb.ts'
import {
  type GuestNamespace,
  makeGuestNamespace,
  program,
} from '../../agent/drivers/network/guest-namespace.ts'
import { labNetwork, labPort } from '../../agent/drivers/network/lab-networks.ts'

const folder = '/run/berth-firewall'
mkdirSync(folder, { mode: 0o711, recursive: true })
const { exec, ...host } = createLinuxHost({ clock: systemClock })
const driver = createLinuxNetworkDriver({
  ...{ ...host, exec, log: silentLogger, uplinks: [] },
  directories: { state: `${folder}/state`, run: `${folder}/run` },
})
const [network, twin] = [labNetwork(1), labNetwork(2)]
const guests: GuestNamespace[] = []
const servers: ReturnType<typeof spawn>[] = []
const found: Record<string, unknown> = {}

async function plug(of: typeof network, number: number): Promise<GuestNamespace> {
  const port = labPort(of, number)
  const guest = makeGuestNamespace({ name: `lab-${port.tap}`, tap: port.tap, macAddress: port.macAddress })
  guests.push(guest)
  await driver.ensurePort(port)
  guest.run('ip', ['address', 'add', `${port.ipv4Address}/24`, 'dev', 'eth0'])
  return guest
}

const succeeds = (guest: GuestNamespace, file: string, ...args: readonly string[]) => {
  try {
    guest.run(file, args)
    return true
  } catch {
    return false
  }
}
const connects = (guest: GuestNamespace, address: string, port: number) =>
  succeeds(guest, 'nc', '-z', '-w', '1', address, String(port))
const pings = (guest: GuestNamespace, address: string) =>
  succeeds(guest, 'ping', '-c', '1', '-W', '1', address)

function serve(guest: GuestNamespace, ...args: readonly string[]): string {
  const path = `${folder}/${guest.name}-${servers.length}`
  writeFileSync(path, '')
  servers.push(
    spawn('sh', ['-c', `exec ip netns exec "$0" nc -l -k "$@" > ${path}`, guest.name, ...args], {
      stdio: ['pipe', 'ignore', 'ignore'],
    }),
  )
  return path
}

/** One datagram of a certain port; it is sent, whoever gets it. */
const sendDatagram = (guest: GuestNamespace, from: number, to: string, port: number) =>
  succeeds(guest, 'sh', '-c', `echo hello | nc -u -w 1 -p ${from} ${to} ${port}`)

const received = (path: string) => readFileSync(path, 'utf8') !== ''
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

type Rules = MessageInitShape<typeof FirewallSchema>['rules']
let generation = 0
const deny = (of: typeof network, rules: NonNullable<Rules> = []) => {
  generation += 1
  const firewall = create(FirewallSchema, { generation, deniesIngress: true, rules })
  return driver.ensureNetwork({ ...of, firewall })
}
const allow = (of: typeof network) => {
  generation += 1
  const firewall = create(FirewallSchema, { generation, deniesIngress: false })
  return driver.ensureNetwork({ ...of, firewall })
}
const { TCP, UDP, ICMP } = FirewallProtocol
const ports = (...list: readonly number[]) => list.map((first) => ({ first, last: first }))

try {
  found['features'] = await readFeatures(await tryKernel({ exec }), { sysfs: host.sysfs })
  await driver.ensureNetwork(network)
  await driver.ensureNetwork(twin)
  const [a, b] = [await plug(network, 11), await plug(network, 12)]
  const [twinA, twinB] = [await plug(twin, 11), await plug(twin, 12)]
  const [addressA, addressB, service] = ['10.77.0.11', '10.77.0.12', '10.77.0.2']
  for (const guest of [a, b, twinB]) for (const port of ['22', '80']) serve(guest, port)
  await pause(1000)

  found['open'] = [connects(a, addressB, 22), connects(b, addressA, 80), pings(a, addressB)]

  await deny(network)
  found['denied'] = [connects(a, addressB, 22), connects(b, addressA, 80), pings(a, addressB)]
  found['services of a network that denies'] = [pings(a, service), pings(b, service)]
  found['the other network'] = [connects(twinA, addressB, 22), pings(twinA, addressB)]

  await deny(network, [{ id: 'ssh', protocol: TCP, ports: ports(22), sources: [`${addressA}/32`] }])
  found['ssh from a'] = {
    'a to b:22': connects(a, addressB, 22),
    'a to b:80': connects(a, addressB, 80),
    'b to a:22': connects(b, addressA, 22),
    ping: pings(a, addressB),
  }
  await deny(network, [{ id: 'web', protocol: TCP, ports: ports(80), destinations: [`${addressB}/32`] }])
  found['web to b'] = [connects(a, addressB, 80), connects(b, addressA, 80), connects(a, addressB, 22)]
  await deny(network, [{ id: 'ping', protocol: ICMP }])
  found['ping'] = [pings(a, addressB), pings(b, addressA), connects(a, addressB, 22)]

  // A connection of one network is nobody's answer in another, although the addresses are the same.
  await deny(network, [{ id: 'dns', protocol: UDP, ports: ports(53), destinations: [`${addressB}/32`] }])
  await deny(twin)
  const question = serve(b, '-u', '53')
  const stranger = serve(twinA, '-u', '40000')
  await pause(500)
  sendDatagram(a, 40_000, addressB, 53)
  const answer = serve(a, '-u', '40000')
  await pause(300)
  for (const server of servers.splice(servers.length - 3, 1)) server.kill('SIGKILL')
  await pause(300)
  sendDatagram(twinB, 53, addressA, 40_000)
  sendDatagram(b, 53, addressA, 40_000)
  await pause(500)
  found['datagrams'] = {
    question: received(question),
    'answer in its network': received(answer),
    'answer from another': received(stranger),
  }
  found['zones'] = program('nft', ['list', 'ruleset']).match(/ct zone set \d+/g)

  await allow(network)
  found['open again'] = [connects(a, addressB, 22), pings(a, addressB)]
  await allow(twin)
  found['tables left'] = program('nft', ['list', 'tables']).includes('table bridge')
} finally {
  for (const server of servers) server.kill('SIGKILL')
  for (const guest of guests) guest.remove()
  for (const one of [network, twin]) {
    for (const number of [11, 12]) {
      const { tap, macAddress } = labPort(one, number)
      await driver.removePort({ tap, macAddress, networkUid: one.uid })
    }
    await driver.removeNetwork(one.uid)
  }
  await exec.close()
  rmSync(folder, { recursive: true })
}
process.stdout.write(`${JSON.stringify(found, null, 1)}\n`)
