import { beforeEach, describe, expect, it } from 'vitest'
import { createMetadataDriver } from '../../../../agent/drivers/metadata/linux-metadata.ts'
import { metadataUser } from '../../../../agent/drivers/metadata/metadata-user.ts'
import { type FakeDaemon, FakeExec } from '../../../../agent/host/fake/fake-exec.ts'
import { FakeFiles } from '../../../../agent/host/fake/fake-files.ts'
import { FakeProcesses } from '../../../../agent/host/fake/fake-processes.ts'
import { FakeSockets } from '../../../../agent/host/fake/fake-sockets.ts'
import { renderIdentityClaims } from '../../../../agent/plan/identity-claims.ts'
import { metadataControlSocket } from '../../../../agent/plan/paths.ts'
import { type Clock, systemClock } from '../../../../lib/clock.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { specOf } from '../hypervisor/guest-specs.ts'

const directories = { state: '/state', run: '/run' }
const control = metadataControlSocket(directories)
const networkUid = '0192a5b0-0000-7000-8000-4f2a90c1d3e5'
const documents = `/state/metadata/${networkUid}`
const document = {
  instanceUid: 'a',
  ...{ gce: {}, ec2: {}, openstack: {}, flavour: 'NOCLOUD' as const },
  identity: renderIdentityClaims(specOf({})),
  nocloud: { 'meta-data': 'm', 'user-data': '', 'vendor-data': '', 'network-config': '' },
}
// The model answers in the next turn of the loop: nothing is worth waiting for.
const clock: Clock = { ...systemClock, sleep: () => new Promise((resolve) => setImmediate(resolve)) }

let files: FakeFiles
let processes: FakeProcesses
let sockets: FakeSockets
/** What the keeper was asked, by verb. */
let asked: string[]
let starts: number
let refuses: boolean

beforeEach(() => {
  files = new FakeFiles({ totalBytes: 1e6, nowMs: () => 0 })
  processes = new FakeProcesses('boot')
  sockets = new FakeSockets()
  asked = []
  starts = 0
  refuses = false
})

/** A keeper as far as its control socket shows it. */
const keeperDaemon: FakeDaemon = () => {
  starts += 1
  const { identity } = processes.begin('keeper')
  const end = () => {
    sockets.unlisten(control)
    processes.end(identity.pid)
  }
  sockets.listen(control, {
    onConnect: (peer) => ({
      onClose: () => {},
      onLine: (line) => {
        const { id, verb } = JSON.parse(line) as { id: number; verb: string }
        asked.push(verb)
        peer.send(JSON.stringify(refuses ? { id, ok: false, message: 'it is full' } : { id, ok: true }))
        if (verb === 'end') setImmediate(end)
      },
    }),
  })
  return identity.pid
}

const newDriver = (daemon: FakeDaemon = keeperDaemon) =>
  createMetadataDriver({
    exec: new FakeExec({}, { [process.execPath]: daemon }),
    sockets,
    files,
    processes,
    directories,
    clock,
    log: silentLogger,
  })

describe('createMetadataDriver', () => {
  it('starts the service once, however many networks come at a time', async () => {
    const driver = newDriver()
    await Promise.all(['a', 'b', 'c'].map((namespace) => driver.ensureListening(networkUid, namespace)))
    expect([starts, asked]).toEqual([1, ['listen', 'listen', 'listen']])
  })

  it('finds the service that an earlier agent started', async () => {
    await newDriver().ensureListening(networkUid, 'a')
    await newDriver().ensureListening(networkUid, 'a')
    expect(starts).toBe(1)
  })

  it('ends a service that lives without answering before it starts another', async () => {
    await newDriver().ensureListening(networkUid, 'a')
    sockets.unlisten(control)
    await newDriver().ensureListening(networkUid, 'a')
    expect([starts, processes.names()]).toEqual([2, ['keeper']])
  })

  it('says where to look when the service does not start', async () => {
    const dying: FakeDaemon = () => {
      const { identity } = processes.begin('keeper')
      setImmediate(() => processes.end(identity.pid))
      return identity.pid
    }
    const listening = newDriver(dying).ensureListening(networkUid, 'a')
    await expect(listening).rejects.toThrow('does not start; /run/metadata.log says why')
  })

  it('passes on why the service refused', async () => {
    refuses = true
    await expect(newDriver().ensureListening(networkUid, 'a')).rejects.toThrow('could not listen: it is full')
  })

  it('publishes where only the worker may read, and takes back', async () => {
    const driver = newDriver()
    await driver.publish(networkUid, '10.0.0.5', document)
    const worker = { uid: 0, gid: metadataUser.gid }
    expect(await files.stat(documents)).toMatchObject({ kind: 'directory', mode: 0o750, ...worker })
    expect(await files.stat(`${documents}/10.0.0.5.json`)).toMatchObject({ mode: 0o640, ...worker })
    const written = await files.read(`${documents}/10.0.0.5.json`)
    expect(JSON.parse(new TextDecoder().decode(written))).toEqual(document)
    await driver.withdraw(networkUid, '10.0.0.5')
    await driver.withdraw(networkUid, '10.0.0.5')
    expect(await files.list(documents)).toEqual([])
  })

  it('starts nothing only to stop it, and leaves no document of the network', async () => {
    const driver = newDriver()
    await driver.publish(networkUid, '10.0.0.5', document)
    await driver.stopListening(networkUid)
    expect([starts, await files.stat(documents)]).toEqual([0, undefined])
  })

  it('ends the service for good when asked to', async () => {
    const driver = newDriver()
    await driver.ensureListening(networkUid, 'a')
    await driver.endService()
    await driver.endService()
    expect([processes.names(), sockets.paths(), starts]).toEqual([[], [], 1])
  })

  it('listens again where the service has been lost', async () => {
    const driver = newDriver()
    await driver.ensureListening(networkUid, 'a')
    sockets.unlisten(control)
    await expect.poll(() => asked).toEqual(['listen', 'listen'])
    expect(starts).toBe(2)
  })

  it('listens soon for whoever does not wait', async () => {
    const driver = newDriver(keeperDaemon)
    driver.listenSoon(networkUid, 'a')
    expect(asked).toEqual([])
    await expect.poll(() => asked).toEqual(['listen'])
  })

  it('goes on trying where a lost service does not start at once', async () => {
    let isDying = false
    let failures = 0
    const driver = newDriver((...start) => {
      if (!isDying || failures === 3) return keeperDaemon(...start)
      failures += 1
      const { identity } = processes.begin('keeper')
      setImmediate(() => processes.end(identity.pid))
      return identity.pid
    })
    await driver.ensureListening(networkUid, 'a')
    isDying = true
    sockets.unlisten(control)
    await expect.poll(() => asked).toEqual(['listen', 'listen'])
    expect(failures).toBe(3)
  })

  it('tries no more once the agent lets go', async () => {
    let failures = 0
    const driver = newDriver((...start) => {
      if (starts === 0) return keeperDaemon(...start)
      failures += 1
      return processes.begin('keeper').identity.pid
    })
    await driver.ensureListening(networkUid, 'a')
    sockets.unlisten(control)
    driver.disconnect()
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(failures).toBe(0)
  })
})
