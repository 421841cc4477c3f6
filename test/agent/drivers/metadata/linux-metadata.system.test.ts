import { createPublicKey } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jwtVerify } from 'jose'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createIdentityKeys } from '../../../../agent/drivers/metadata/identity-keys.ts'
import {
  createMetadataDriver,
  type LinuxMetadataDriver,
} from '../../../../agent/drivers/metadata/linux-metadata.ts'
import { metadataUser } from '../../../../agent/drivers/metadata/metadata-user.ts'
import type { MetadataDocument } from '../../../../agent/drivers/metadata/port.ts'
import { createLinuxNetworkDriver } from '../../../../agent/drivers/network/linux-network.ts'
import type { NetworkDriver } from '../../../../agent/drivers/network/port.ts'
import { ensureAttributeSlots, readAttributes } from '../../../../agent/instance/guest-attributes.ts'
import { renderIdentityClaims } from '../../../../agent/plan/identity-claims.ts'
import { type AgentDirectories, instancePaths, metadataControlSocket } from '../../../../agent/plan/paths.ts'
import { systemClock } from '../../../../lib/clock.ts'
import { silentLogger } from '../../../../lib/log.ts'
import type { Network } from '../../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { describeNeeding } from '../../../support/needs.ts'
import { exec, files, processes, sockets } from '../../../support/this-host.ts'
import { specOf } from '../hypervisor/guest-specs.ts'
import { type GuestNamespace, makeGuestNamespace } from '../network/guest-namespace.ts'
import { labNetwork, labPort } from '../network/lab-networks.ts'

const networks = [labNetwork(3), labNetwork(4)] as const
const metaData = 'http://169.254.169.254/meta-data'
const identity = 'http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/identity'
const needs = { root: true, programs: ['ip', 'nft', 'dnsmasq', 'sysctl'] }

describeNeeding(needs, 'the metadata service on the kernel', () => {
  let folder: string
  let directories: AgentDirectories
  let network: NetworkDriver
  let metadata: LinuxMetadataDriver
  const guests = new Map<Network, GuestNamespace>()

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'berth-metadata-'))
    // The worker and dnsmasq read below it without privileges.
    chmodSync(folder, 0o711)
    directories = { state: join(folder, 'state'), run: join(folder, 'run') }
    network = createLinuxNetworkDriver({
      uplinks: [],
      exec,
      files,
      processes,
      directories,
      log: silentLogger,
    })
    metadata = newDriver()
    // The same guest, address and all, on both networks.
    for (const one of networks) {
      const port = labPort(one, 21)
      const guest = makeGuestNamespace({ name: `berth-lab-${port.tap}`, ...port })
      guests.set(one, guest)
      await network.ensureNetwork(one)
      await network.ensurePort(port)
      guest.run('ip', ['address', 'add', `${port.ipv4Address}/24`, 'dev', 'eth0'])
      guest.run('ip', ['route', 'add', '169.254.169.254', 'via', one.serviceIpv4])
    }
  })

  afterEach(async () => {
    for (const one of networks) await metadata.stopListening(one.uid)
    await metadata.endService()
    for (const guest of guests.values()) guest.remove()
    for (const one of networks) {
      const { tap, macAddress } = labPort(one, 21)
      await network.removePort({ tap, macAddress, networkUid: one.uid })
      await network.removeNetwork(one.uid)
    }
    rmSync(folder, { recursive: true })
  })

  const newDriver = () =>
    createMetadataDriver({
      exec,
      sockets,
      files,
      processes,
      directories,
      clock: systemClock,
      log: silentLogger,
    })

  const ask = (one: Network) => guests.get(one)?.ask(metaData)
  const listen = (one: Network) => metadata.ensureListening(one.uid, network.namespaceOf(one.uid))
  const publish = (one: Network, text: string, more: Pick<MetadataDocument, 'attributeSlots'> = {}) =>
    metadata.publish(one.uid, labPort(one, 21).ipv4Address, {
      instanceUid: labPort(one, 21).instanceUid,
      ...{ gce: {}, ec2: {}, openstack: {}, flavour: 'NOCLOUD' as const },
      identity: renderIdentityClaims(specOf({})),
      nocloud: { 'meta-data': text, 'user-data': '', 'vendor-data': '', 'network-config': '' },
      ...more,
    })
  const status = async () => {
    const socket = await sockets.connect(metadataControlSocket(directories))
    const line = await new Promise<string>((resolve) => {
      socket.onLine(resolve)
      socket.send(JSON.stringify({ id: 1, verb: 'status' }))
    })
    socket.close()
    return JSON.parse(line) as { status: { workerPid: number; networks: { networkUid: string }[] } }
  }

  it('answers guests of the same address on two networks with their own documents', async () => {
    await Promise.all(networks.map(listen))
    const [one, two] = networks
    expect(ask(one)).toMatch(/^503 /)
    await publish(one, 'one')
    await publish(two, 'two')
    expect([ask(one), ask(two)]).toEqual(['200 one', '200 two'])
    await publish(one, 'one again')
    await metadata.withdraw(two.uid, labPort(two, 21).ipv4Address)
    expect([ask(one), ask(two)?.slice(0, 3)]).toEqual(['200 one again', '503'])
  })

  it('goes on without the agent, and is there for the next one', async () => {
    const [one, two] = networks
    await listen(one)
    await publish(one, 'one')
    const { workerPid } = (await status()).status
    metadata.disconnect()
    expect(ask(one)).toBe('200 one')
    metadata = newDriver()
    await listen(one)
    await listen(two)
    await publish(two, 'two')
    expect([ask(one), ask(two)]).toEqual(['200 one', '200 two'])
    expect((await status()).status.workerPid).toBe(workerPid)
  })

  it('answers what is asked while a killed worker is being replaced', async () => {
    const [one] = networks
    await listen(one)
    await publish(one, 'one')
    const { workerPid } = (await status()).status
    process.kill(workerPid, 'SIGKILL')
    expect(ask(one)).toBe('200 one')
    expect((await status()).status.workerPid).not.toBe(workerPid)
  })

  it('signs identities with a key that it can read and not write, with nobody else there', async () => {
    const [one] = networks
    await listen(one)
    await publish(one, 'one')
    const keys = createIdentityKeys({ files, directories, clock: systemClock, log: silentLogger })
    const [key] = await keys.announce()
    await keys.published('https://berth.example.net/identity')
    metadata.disconnect()
    const url = `${identity}?audience=https://vault.example`
    const script = `fetch('${url}', { headers: { 'Metadata-Flavor': 'Google' } }).then(async (reply) => console.log(await reply.text()))`
    const token = guests.get(one)?.run(process.execPath, ['-e', script]).trim() ?? ''
    const publicKey = createPublicKey({ key: Buffer.from(key ?? []), format: 'der', type: 'spki' })
    const { payload } = await jwtVerify(token, publicKey, { audience: 'https://vault.example' })
    expect(payload.sub).toContain(specOf({}).uid)
  })

  it("keeps a guest's attributes in files that it may write and not make, over its own end", async () => {
    const [one] = networks
    await listen(one)
    const { instanceUid } = labPort(one, 21)
    const { directory } = instancePaths(directories, instanceUid)
    await files.makeDirectory(directory, { mode: 0o711 })
    const enabled = [{ key: 'enable-guest-attributes', value: 'TRUE' }]
    const spec = specOf({ uid: instanceUid, metadata: enabled })
    const attributeSlots = await ensureAttributeSlots({ files, directories }, spec)
    await publish(one, 'one', attributeSlots === undefined ? {} : { attributeSlots })
    const url = 'http://169.254.169.254/computeMetadata/v1/instance/guest-attributes/app/state'
    const script = (init: string) =>
      `fetch('${url}', { headers: { 'Metadata-Flavor': 'Google' }, ${init} }).then(async (reply) => console.log(reply.status, await reply.text()))`
    const run = (init: string) =>
      guests
        .get(one)
        ?.run(process.execPath, ['-e', script(init)])
        .trim()
    expect(run("method: 'PUT', body: 'ready'")).toBe('200')
    process.kill((await status()).status.workerPid, 'SIGKILL')
    expect(run('')).toBe('200 ready')
    expect(await readAttributes({ files, directories }, instanceUid)).toEqual([
      { namespace: 'app', key: 'state', value: 'ready' },
    ])
    expect((await files.list(directory)).length).toBe(2)
    expect(await files.stat(directory)).toMatchObject({ uid: 0, mode: 0o711 })
  })

  it('is started again where its keeper has been killed', async () => {
    const [one] = networks
    await listen(one)
    await publish(one, 'one')
    const { pid } = JSON.parse(readFileSync(join(directories.run, 'metadata.pid'), 'utf8')) as { pid: number }
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => ask(one), { timeout: 30_000 }).toBe('200 one')
  })

  it('follows a namespace that has been made anew', async () => {
    const [one] = networks
    await listen(one)
    await publish(one, 'one')
    await network.removeNetwork(one.uid)
    await network.ensureNetwork(one)
    await network.ensurePort(labPort(one, 21))
    await listen(one)
    expect(ask(one)).toBe('200 one')
  })

  it('is silent on a network that it has been taken from, and on no other', async () => {
    const [one, two] = networks
    await Promise.all(networks.map(listen))
    await publish(two, 'two')
    await metadata.stopListening(one.uid)
    expect([ask(one), ask(two)]).toEqual(['ECONNREFUSED', '200 two'])
  })

  it('talks to guests without any privilege', async () => {
    await listen(networks[0])
    const { workerPid } = (await status()).status
    const facts = readFileSync(`/proc/${workerPid}/status`, 'utf8')
    expect(facts).toMatch(new RegExp(`^Uid:\t${Array(4).fill(metadataUser.uid).join('\t')}$`, 'm'))
    expect(facts).toMatch(new RegExp(`^Gid:\t${Array(4).fill(metadataUser.gid).join('\t')}$`, 'm'))
    expect(facts).toMatch(/^Groups:\t *$/m)
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'])
      expect(facts).toMatch(new RegExp(`^${set}:\t0+$`, 'm'))
    const control = await files.stat(metadataControlSocket(directories))
    expect(control).toMatchObject({ kind: 'socket', uid: 0, mode: 0o600 })
  })
})
