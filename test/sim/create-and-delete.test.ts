import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { InstanceRecord } from '../../scheduler/model/instance.ts'
import { type SmallRegion, startSmallRegion } from './small-region.ts'

let region: SmallRegion
beforeEach(async () => {
  region = await startSmallRegion()
})
afterEach(async () => {
  await region.close()
})

const is = (status: string) => (instance: InstanceRecord | undefined) => instance?.status === status
const gone = (instance: InstanceRecord | undefined) => instance === undefined
const gpus = [{ type: 'nvidia-h100-80gb', count: 2 }]

/** Image cache, journal of the host and metadata service stay; what belongs to an instance does not. */
const traces = (host: SmallRegion['host']) =>
  JSON.parse(host.describe(), (key, value: unknown) =>
    key === 'files' && Array.isArray(value)
      ? value.filter((path: string) => !/^\/state\/images\/|metadata/.test(path))
      : key === 'processes' || key === 'sockets'
        ? (value as string[]).filter((name) => !name.includes('metadata'))
        : value,
  ) as unknown

describe('an instance on a fake host', () => {
  it('lives through its states and leaves nothing', async () => {
    const { uid: first } = await region.create()
    await region.until(first, is('RUNNING'))
    await region.delete(first)
    await region.until(first, gone)
    await expect.poll(() => region.host.files.paths()).not.toContain(`/state/instances/${first}/record.pb`)
    const before = traces(region.host)

    const { uid } = await region.create({ gpus })
    const running = await region.until(uid, is('RUNNING'))
    expect(running?.spec.nics[0]?.ipv4Address).toBe('10.80.0.2')
    await expect.poll(() => region.freeGpus()).toBe(0)
    expect(Object.values(region.host.sysfs.drivers())).toEqual(['vfio-pci', 'vfio-pci'])
    await region.delete(uid)
    await region.until(uid, gone)
    await expect.poll(() => region.freeGpus()).toBe(2)
    expect(await region.events(uid)).toEqual(['PROVISIONING', 'STAGING', 'RUNNING', 'DEPROVISIONING', 'gone'])
    await expect.poll(() => traces(region.host)).toEqual(before)
  })

  it('is adopted by the next agent, and seen for what it became meanwhile', async () => {
    const [running, leaver, crasher] = [await region.create(), await region.create(), await region.create()]
    for (const { uid } of [running, leaver, crasher]) await region.until(uid, is('RUNNING'))
    const guests = [...region.host.guests.values()]
    guests[1]?.powerOff()
    guests[2]?.crash()
    await region.restartAgent()
    await region.until(leaver.uid, (one) => one?.reason === 'GUEST_POWERED_OFF')
    // It is started again by itself.
    await region.until(crasher.uid, (one) => one?.reason === 'GUEST_CRASHED')
    await region.until(crasher.uid, is('RUNNING'))
    expect((await region.find(running.uid))?.status).toBe('RUNNING')
    const [first, again, ...others] = region.host.guests.values()
    expect([first, others]).toEqual([guests[0], []])
    expect(again).not.toBe(guests[2])
  })
})

describe('a step that fails', () => {
  /** Programs of one create, in their order: each is made to fail in turn. */
  async function recordPrograms() {
    const from = region.host.exec.history.length
    const { uid } = await region.create({ gpus })
    await region.until(uid, is('RUNNING'))
    const history = region.host.exec.history.slice(from)
    await region.delete(uid)
    await region.until(uid, gone)
    return history
  }

  /** Reading changes nothing, and a driver may well go on without an answer. */
  const isReading = (args: readonly string[]) => /(^| )(show|list|pids)( |$)/.test(args.join(' '))

  it('ends in FAILED with a sentence, with everything undone, whichever it is', async () => {
    const history = (await recordPrograms()).filter(({ args }) => !isReading(args))
    await expect.poll(() => region.host.files.paths().some((path) => path.endsWith('record.pb'))).toBe(false)
    const before = traces(region.host)
    expect(history.length).toBeGreaterThan(15)
    let failures = 0
    for (const [index, { file, args }] of history.entries()) {
      // Names of taps and paths of disks differ from one instance to the next.
      const verb = args.find((word) => /^[a-z]{2,}$/.test(word)) ?? ''
      await expect.poll(() => region.freeGpus()).toBe(2)
      region.host.exec.failNext({ file, argsInclude: verb, result: { code: 1, stderr: 'made to fail' } })
      const { uid } = await region.create({ gpus })
      const ended = await region.until(uid, (one) => one?.status === 'RUNNING' || one?.holds === 'nothing')
      if (ended?.status !== 'RUNNING') {
        expect(ended?.status, `${index}: ${file} ${args.join(' ')}`).toBe('FAILED')
        expect(ended?.statusMessage).toMatch(/\w+.*\.$/)
        await expect.poll(() => region.freeGpus()).toBe(2)
        failures += 1
      }
      await region.delete(uid)
      await region.until(uid, gone)
      await expect.poll(() => traces(region.host), { timeout: 5000 }).toEqual(before)
    }
    // What is checked by looking again, such as a link that is there after all, may go well.
    expect(failures).toBeGreaterThan(history.length / 2)
  }, 120_000)
})
