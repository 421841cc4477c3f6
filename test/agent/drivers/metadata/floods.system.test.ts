// What a guest can't get by trying often. BERTH_FLOOD=full sends a million frames and 20,000 requests.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { create } from '@bufbuild/protobuf'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  createMetadataDriver,
  type LinuxMetadataDriver,
} from '../../../../agent/drivers/metadata/linux-metadata.ts'
import { renderIdentityClaims } from '../../../../agent/plan/identity-claims.ts'
import { systemClock } from '../../../../lib/clock.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { InstanceSpecSchema } from '../../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { describeNeeding } from '../../../support/needs.ts'
import { exec, files, processes, sockets } from '../../../support/this-host.ts'
import { flood, watchFor } from '../network/flood.ts'
import type { Cast } from '../network/frames.ts'
import { program, startInside } from '../network/guest-namespace.ts'
import { castOf, type LabGuest, makeTwoHosts, type TwoHosts } from '../network/two-hosts.ts'
import type { AskPlan, Tally } from './asking-guest.ts'

const isFull = process.env['BERTH_FLOOD'] === 'full'
const [frames, requests] = isFull ? [1_000_000, 20_000] : [20_000, 2000]
const limitMs = isFull ? 1_200_000 : 120_000
const needs = { root: true, programs: ['ip', 'nft', 'dnsmasq', 'sysctl', 'perl'] }

describeNeeding(needs, 'a flood of forgeries', () => {
  let lab: TwoHosts
  let cast: Cast
  let metadata: LinuxMetadataDriver
  let folder: string

  beforeAll(async () => {
    lab = await makeTwoHosts([7, 8])
    cast = castOf(lab.forger, lab.neighbour)
    folder = mkdtempSync(join(tmpdir(), 'berth-floods-'))
    // The worker reads below it without privileges.
    chmodSync(folder, 0o711)
    metadata = createMetadataDriver({
      ...{ exec, files, processes, sockets, clock: systemClock, log: silentLogger },
      directories: { state: join(folder, 'state'), run: join(folder, 'run') },
    })
    await lab.open()
    const { network } = lab.forger.port
    await metadata.ensureListening(network.uid, lab.driver.namespaceOf(network.uid))
    for (const [guest, text] of [
      [lab.forger, 'the forger'],
      [lab.neighbour, 'the neighbour'],
    ] as const) {
      const { instanceUid, ipv4Address } = guest.port
      await metadata.publish(network.uid, ipv4Address, {
        ...{ instanceUid, gce: {}, ec2: {}, openstack: {}, flavour: 'NOCLOUD' },
        identity: renderIdentityClaims(create(InstanceSpecSchema, { uid: instanceUid })),
        nocloud: { 'meta-data': text, 'user-data': text, 'vendor-data': '', 'network-config': '' },
      })
      guest.run('ip', ['address', 'add', `${ipv4Address}/24`, 'dev', 'eth0'])
      guest.run('ip', ['route', 'add', '169.254.169.254', 'via', network.serviceIpv4])
    }
  })

  afterAll(async () => {
    await metadata.endService()
    await lab.remove()
    expect(lab.readRemains()).toEqual([])
    rmSync(folder, { recursive: true })
  })

  /** What of it comes to the neighbour, and to the services in another name than the neighbour's own. */
  const arriving = async (count: number, meanwhile: () => Promise<unknown> = async () => {}) => {
    const { forger, neighbour, driver } = lab
    const atNeighbour = { namespace: neighbour.name, link: 'eth0', honestMac: cast.service.mac }
    const namespace = driver.namespaceOf(forger.port.network.uid)
    const atServices = { namespace, link: 'svc0', honestMac: cast.other.mac }
    let services = { forged: 0 }
    const guest = await watchFor(atNeighbour, async () => {
      services = await watchFor(atServices, async () => {
        const asked = meanwhile()
        await flood(forger.name, cast, { count })
        await asked
      })
    })
    return { neighbour: guest.forged, services: services.forged }
  }

  /** The forger on the neighbour's address, with the neighbour's MAC. */
  const posing = async (plan: Omit<AskPlan, 'from'>) => {
    const { forger } = lab
    const { other, own, service } = cast
    const change = (words: string) => forger.run('ip', words.split(' '))
    change(`address add ${other.ip}/32 dev eth0`)
    change(`link set dev eth0 address ${other.mac}`)
    // It needs not ask for the services' MAC first.
    change(`neighbour replace ${service.ip} lladdr ${service.mac} dev eth0 nud permanent`)
    const tally = await ask(forger, { ...plan, from: other.ip })
    change(`neighbour delete ${service.ip} dev eth0`)
    change(`link set dev eth0 address ${own.mac}`)
    change(`address delete ${other.ip}/32 dev eth0`)
    return tally
  }

  it('is heard by all where nothing filters', async () => {
    // First: the flood makes the services believe in other MACs.
    expect(await posing({ count: 4, atOnce: 1 })).toEqual({ '200 the neighbour': 4 })
    const { neighbour, services } = await arriving(2000)
    expect(neighbour).toBeGreaterThan(100)
    expect(services).toBeGreaterThan(100)
  })

  it(`reaches neither neighbour nor services, which go on: ${frames} frames`, {
    timeout: limitMs,
  }, async () => {
    await lab.filter()
    // What was believed of forgeries while they passed.
    for (const namespace of [lab.neighbour.name, lab.driver.namespaceOf(lab.neighbour.port.network.uid)]) {
      program('ip', ['-n', namespace, 'neighbour', 'flush', 'all'])
    }
    let tally: Tally = {}
    const heard = await arriving(frames, async () => {
      tally = await ask(lab.neighbour, { count: isFull ? 2000 : 100, atOnce: 2, perSecond: 50 })
    })
    expect(heard).toEqual({ neighbour: 0, services: 0 })
    expect(tally).toEqual({ '200 the neighbour': isFull ? 2000 : 100 })
  })

  it(`gets its own answers or none: ${requests} requests`, { timeout: limitMs }, async () => {
    const { forger, neighbour } = lab
    const half = requests / 2
    const honest = startAsking(neighbour, { count: Number.MAX_SAFE_INTEGER, atOnce: 2, perSecond: 50 })
    const posed = await posing({ count: half, atOnce: 1000, timeoutMs: 3000 })
    const claimed = await ask(forger, { count: half, atOnce: 8, posesAs: cast.other.ip })
    const answers = await honest.stop()
    expect(posed).toEqual({ 'no answer': half })
    const { '200 the forger': own = 0, '404': targets = 0, '429': tooFast = 0, ...others } = claimed
    expect(others).toEqual({})
    expect(own + targets + tooFast).toBe(half)
    expect(own).toBeGreaterThan(100)
    expect(tooFast).toBeGreaterThan(0)
    expect(Object.keys(answers)).toEqual(['200 the neighbour'])
  })
})

function startAsking(guest: LabGuest, plan: AskPlan) {
  const script = join(import.meta.dirname, 'asking-guest.ts')
  const child = startInside(guest.name, process.execPath, [script, JSON.stringify(plan)])
  const tally = async () => JSON.parse(await text(child.stdout)) as Tally
  return {
    tally,
    stop: () => {
      child.stdin.end()
      return tally()
    },
  }
}

const ask = (guest: LabGuest, plan: AskPlan): Promise<Tally> => startAsking(guest, plan).tally()
