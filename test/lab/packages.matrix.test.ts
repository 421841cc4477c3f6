// The Debian packages on a virtual hypervisor, by apt and by dpkg: the agent's is installed, upgraded under a guest, removed
// and purged, and so are the scheduler's and the command line's. Nothing can be downloaded there: what they need is installed.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { createInstance, deleteInstance, waitForStatus } from '../e2e/instances.ts'
import {
  instancePath,
  isAgentConnected,
  openRegion,
  type Region,
  regionId,
  waitUntil,
} from '../e2e/region.ts'
import { smallImages } from '../e2e/small-images.ts'
import { smallGuestReady } from '../guest/small-guest.ts'
import { repositoryRoot } from '../support/imports.ts'
import { describeNeeding } from '../support/needs.ts'
import { forwardScheduler, imagesInLab, readAgentAddress, shareImages } from './agent.ts'
import { bootHost, type LabHost } from './host.ts'
import { labNeeds } from './needs.ts'

/** A request waits for the scheduler that it starts. */
const ask = 'wget --quiet --tries=1 --timeout=120 --output-document=- http://127.0.0.1:7700/openapi.json'
const hostsPath = `/v1/regions/${regionId}/hosts`

describeNeeding({ ...labNeeds, programs: [...(labNeeds.programs ?? []), 'dpkg-deb'] }, 'packages', () => {
  const closers: (() => Promise<void> | void)[] = []
  let host: LabHost
  let region: Region
  let uid = ''

  beforeAll(async () => {
    const images = await smallImages()
    region = await openRegion(imagesInLab(images))
    closers.push(() => region.close())
    host = await bootHost({ name: 'lab-packages' })
    closers.push(() => host.close())
    await region.startScheduler()
    shareImages(host, images)
    await forwardScheduler(host, readAgentAddress(region))
  }, 600_000)
  afterAll(async () => {
    for (const close of closers.toReversed()) await close()
  })

  const build = (name: string, version: string) => {
    const args = ['systemd/packages/main.ts', '--out', host.share, '--version', version, name]
    execFileSync(process.execPath, args, { cwd: repositoryRoot })
    return `/lab/${name}_${version}_amd64.deb`
  }
  const said = async (command: string) => {
    const { stdout, stderr } = await host.exec(command, { mayFail: true, timeoutMs: 240_000 })
    return `${stdout}${stderr}`
  }
  const apt = async (verb: string, what: string) => {
    const { stdout, stderr } = await host.exec(`apt-get ${verb} --yes ${what}`, { timeoutMs: 240_000 })
    return `${stdout}${stderr}`
  }
  const show = async (unit: string, property: string) =>
    (await said(`systemctl show --property=${property} --value ${unit}`)).trim()
  const guest = () => show(`berth-vm@${uid}.service`, 'MainPID')
  const writeSettings = async () => {
    const settings = parse(readFileSync(join(region.directory, 'agent.yaml'), 'utf8')) as object
    const { directories: _here, ...agent } = settings as { directories?: unknown }
    await host.exec('cat > /etc/berth/agent.yaml', { input: stringify({ ...agent, hostId: host.name }) })
  }
  const startAgent = async () => {
    await host.exec('systemctl enable --now berth-agent', { timeoutMs: 240_000 })
    await waitUntil('the agent is connected', () => isAgentConnected(region, host.name), 240_000)
  }

  it('start no agent that has no settings', async () => {
    expect(await apt('install', build('berth-agent', '0.1.0'))).toContain(
      'copy /etc/berth/agent.yaml.example',
    )
    expect(await show('berth-agent', 'ActiveState')).toBe('inactive')
    expect(await show('berth-agent', 'UnitFileState')).toBe('disabled')
    expect(await said('systemctl start berth-agent; systemctl is-active berth-agent')).toContain('inactive')
    // The host's image takes no documentation.
    expect(await said('dpkg --verify berth-agent | grep -v /usr/share/')).toBe('')
  })

  it('run guests under an agent that systemd watches', async () => {
    await writeSettings()
    await startAgent()
    uid = (await createInstance(region, { id: 'one' })).uid
    await waitForStatus(region, 'one', 'RUNNING')
    await waitUntil(
      'the guest has booted',
      async () =>
        (
          (await region.call<{ contents?: string }>('GET', `${instancePath('one')}/serialPort`)).body
            .contents ?? ''
        ).includes(smallGuestReady),
      240_000,
    )
    expect(await show('berth-agent', 'WatchdogUSec')).toBe('30s')
    expect(await show('berth-agent', 'NotifyAccess')).toBe('main')
  })

  it('have systemd replace an agent that hangs, and leave its guest alone', async () => {
    const [before, hung] = [await guest(), await show('berth-agent', 'MainPID')]
    await host.exec(`kill -STOP ${hung}`)
    await waitUntil(
      'another agent is connected',
      async () =>
        !['0', hung].includes(await show('berth-agent', 'MainPID')) && isAgentConnected(region, host.name),
      240_000,
    )
    expect(await show('berth-agent', 'NRestarts')).toBe('1')
    expect(await guest()).toBe(before)
  })

  it('upgrade the agent and leave its guest alone', async () => {
    const [before, agent] = [await guest(), await show('berth-agent', 'MainPID')]
    await apt('install', build('berth-agent', '0.1.1'))
    expect(await said('dpkg-query -s berth-agent')).toContain('Version: 0.1.1\n')
    expect(await show('berth-agent', 'ActiveState')).toBe('active')
    expect(await show('berth-agent', 'MainPID')).not.toBe(agent)
    expect(await guest()).toBe(before)
    await waitUntil('the agent of the new package is connected', async () => {
      const { body } = await region.call<{ agentVersion: string }>('GET', `${hostsPath}/${host.name}`)
      return body.agentVersion === '0.1.1' && isAgentConnected(region, host.name)
    })
  })

  it('are removed from beside a guest, whose state a purge keeps', async () => {
    const before = await guest()
    expect(await apt('remove', 'berth-agent')).toContain('guests of this host go on without an agent')
    expect(await apt('purge', 'berth-agent')).toContain('/var/lib/berth stays')
    expect(await guest()).toBe(before)
    await host.exec(`test -e /var/lib/berth/instances/${uid}/record.pb`)
  })

  it('find the guest when they are installed again, and leave nothing once it is gone', async () => {
    const before = await guest()
    await said('dpkg -i /lab/berth-agent_0.1.1_amd64.deb')
    await writeSettings()
    await startAgent()
    expect(await guest()).toBe(before)
    await deleteInstance(region, 'one')
    await waitUntil(
      'it is gone',
      async () => (await region.call('GET', instancePath('one'))).status === 404,
      240_000,
    )
    expect(await said('dpkg -P berth-agent')).toContain('/var/lib/berth is removed')
    const left =
      'ls -d /var/lib/berth /run/berth /etc/berth /usr/lib/berth-agent; ls -l /proc/[0-9]*/exe | grep berth-agent'
    expect((await host.exec(left, { mayFail: true })).stdout).toBe('')
  })

  it('start no scheduler that has no settings, and make the secret that agents show', async () => {
    expect(await apt('install', build('berth-scheduler', '0.1.0'))).toContain(
      'copy /etc/berth/scheduler.yaml.example',
    )
    for (const unit of ['berth-scheduler.service', 'berth-scheduler.socket']) {
      expect([await show(unit, 'ActiveState'), await show(unit, 'UnitFileState')]).toEqual([
        ...['inactive', 'disabled'],
      ])
    }
    expect(await said("stat --format '%a %U' /etc/berth/agents-token")).toBe('600 berth-scheduler\n')
  })

  it('start a scheduler once its socket is asked', async () => {
    await host.exec('cp /etc/berth/scheduler.yaml.example /etc/berth/scheduler.yaml')
    await host.exec('systemctl start berth-scheduler.socket')
    expect(await show('berth-scheduler', 'ActiveState')).toBe('inactive')
    expect(await said(ask)).toContain('"openapi":"3.1')
    expect(await show('berth-scheduler', 'ActiveState')).toBe('active')
    expect(await said('dpkg --verify berth-scheduler | grep -v /usr/share/')).toBe('')
  })

  it('upgrade a scheduler whose socket goes on listening', async () => {
    const [socket, before] = [
      await show('berth-scheduler.socket', 'ActiveEnterTimestampMonotonic'),
      await show('berth-scheduler', 'MainPID'),
    ]
    await apt('install', build('berth-scheduler', '0.1.1'))
    expect(await said(ask)).toContain('"openapi":"3.1')
    expect(await show('berth-scheduler', 'MainPID')).not.toBe(before)
    expect(await show('berth-scheduler.socket', 'ActiveEnterTimestampMonotonic')).toBe(socket)
  })

  it('have the command line, for whoever asks', async () => {
    await apt('install', build('berth', '0.1.1'))
    expect(await said('setpriv --reuid nobody --regid nogroup --clear-groups berth --version')).toContain(
      '0.1.1',
    )
  })

  it('keep what a region knows until they are purged, and then nothing', async () => {
    await apt('remove', 'berth-scheduler berth')
    expect(await show('berth-scheduler.socket', 'LoadState')).toBe('not-found')
    await host.exec('test -e /var/lib/berth-scheduler/scheduler.sqlite && test ! -e /usr/bin/berth')
    expect(await apt('purge', 'berth-scheduler')).toContain('/var/lib/berth-scheduler is removed')
    const left = 'ls -d /var/lib/berth-scheduler /etc/berth /usr/lib/berth-scheduler /usr/lib/berth'
    expect((await host.exec(left, { mayFail: true })).stdout).toBe('')
  })
})
