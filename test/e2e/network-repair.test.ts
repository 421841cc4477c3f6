// Somebody breaks the network of a guest that runs: the agent sees it and puts it right, and the guest is not touched.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeNeeding } from '../support/needs.ts'
import { guestNeeds } from './guest-needs.ts'
import { findGuestPid, run } from './host-state.ts'
import { createInstance, deleteInstance, type InstanceBody, waitForStatus } from './instances.ts'
import { instancePath, openRegion, type Region } from './region.ts'
import { smallImages } from './small-images.ts'

describeNeeding(guestNeeds, "a running guest's network", () => {
  let region: Region
  let tap: string
  let pid: number | undefined
  const soon = { timeout: 20_000, interval: 200 }
  const flagsOf = () => {
    const [link] = JSON.parse(run('ip', ['-j', 'link', 'show', 'dev', tap])) as [
      { flags: string[]; master?: string },
    ]
    return { isUp: link.flags.includes('UP'), isJoined: link.master !== undefined }
  }
  const hasFilter = () => run('nft', ['list', 'tables', 'netdev']).includes(`berth-${tap}`)

  beforeAll(async () => {
    region = await openRegion(await smallImages())
    await region.startScheduler()
    await region.startAgent()
    const { uid } = await createInstance(region, { id: 'mended' })
    await waitForStatus(region, 'mended', 'RUNNING')
    tap = `bt${uid.replaceAll('-', '').slice(-10)}n0`
    pid = findGuestPid(uid)
  }, 120_000)

  afterAll(() => region.close())

  it('gets its filter back', async () => {
    expect(hasFilter()).toBe(true)
    run('nft', ['delete', 'table', 'netdev', `berth-${tap}`])
    await expect.poll(hasFilter, soon).toBe(true)
    await expect.poll(flagsOf, soon).toEqual({ isUp: true, isJoined: true })
  })

  it('is joined and up again', async () => {
    run('ip', ['link', 'set', 'dev', tap, 'nomaster', 'down'])
    await expect.poll(flagsOf, soon).toEqual({ isUp: true, isJoined: true })
  })

  it('gets its DHCP and DNS back', async () => {
    const namespace = `berth-${region.networkUid.replaceAll('-', '').slice(-10)}`
    const servers = () =>
      run('ip', ['netns', 'pids', namespace])
        .split('\n')
        .filter((one) => one !== '' && run('cat', [`/proc/${one}/comm`]).trim() === 'dnsmasq')
    const [server] = servers()
    process.kill(Number(server), 'SIGKILL')
    await expect.poll(() => servers().filter((one) => one !== server).length, soon).toBe(1)
  })

  it('is told to be cut off where its tap is deleted', async () => {
    const read = async () => (await region.call<InstanceBody>('GET', instancePath('mended'))).body
    expect(findGuestPid((await read()).uid)).toBe(pid)
    run('ip', ['link', 'delete', 'dev', tap])
    await expect
      .poll(async () => (await read()).lifecycle.statusMessage, soon)
      .toMatch(/^nic0 is cut off: .*Stop and start/)
    await deleteInstance(region, 'mended')
  })
})
