import { describe, expect, it } from 'vitest'
import { describeTroubles } from '../../../agent/commands/doctor.ts'
import { describeInventory } from '../../../agent/commands/inventory.ts'
import { boardOf, FakeFabric } from '../../../agent/host/fake/fake-fabric.ts'
import { fmpmProgram, nvidiaSmiProgram } from '../../../agent/host/fake/program-fmpm.ts'
import type { Sysfs } from '../../../agent/host/ports.ts'
import { expectGolden } from '../../support/golden.ts'
import { type FixtureName, fixtureHosts, fixtureOptions } from '../inventory/fixture-hosts.ts'
import { readRecording } from '../inventory/recorded-sysfs.ts'

const names = Object.keys(fixtureHosts) as FixtureName[]

const fabricManager = { program: '/usr/bin/fmpm' }
const boardAddresses = ['1b', '43', '52', '61', '9d', 'c3', 'd1', 'df'].map((bus) => `0000:${bus}:00.0`)

/** The host with its switches, and with its GPUs as its own driver has them or not. */
function joinedOptions(more: { isDriverThere?: boolean; sysfs?: Sysfs } = {}) {
  const { isDriverThere = true, ...rest } = more
  const switches = new FakeFabric(boardOf(boardAddresses))
  const programs = {
    [fabricManager.program]: fmpmProgram(switches),
    'nvidia-smi': nvidiaSmiProgram(switches, () => isDriverThere),
  }
  return { switches, options: fixtureOptions('hgx-h100', { settings: { fabricManager }, programs, ...rest }) }
}

describe('inventory', () => {
  it.each(names)('prints what the agent sees of %s', async (name) => {
    expectGolden(`inventory-${name}.txt`, await describeInventory(await fixtureOptions(name), {}))
  })

  it('names the GPUs of each partition, with their modules', async () => {
    const text = await describeInventory(await joinedOptions().options, {})
    const section = text.split('\n\n').find((one) => one.startsWith('Partitions\n'))
    expectGolden('inventory-partitions.txt', `${section}\n`)
  })

  it('prints facts for programs as the scheduler is told them', async () => {
    const facts = JSON.parse(await describeInventory(await fixtureOptions('no-iommu'), { json: true }))
    expect(facts).toMatchObject({
      hostname: 'old-1',
      devices: [{ address: '0000:41:00.0', bridges: ['0000:40:01.1'], link: { maximumLanes: 16 } }],
    })
  })

  it('writes what the kernel says to a file', async () => {
    const options = await fixtureOptions('hgx-h100')
    await options.files.makeDirectory('/tmp')
    await describeInventory(options, { record: '/tmp/host.txt' })
    const withoutGateway = readRecording('hgx-h100').replace('sys/class/net/eth1/mtu = 9000\n', '')
    expect(new TextDecoder().decode(await options.files.read('/tmp/host.txt'))).toBe(withoutGateway)
  })

  it('calls accelerators as the operator does', async () => {
    const accelerators = [{ type: 'acme-one', pciIds: ['10de:2684'], memoryGb: 24, partitionSizes: [1, 3] }]
    const text = await describeInventory(
      await fixtureOptions('shared-group', { settings: { accelerators } }),
      {},
    )
    expect(text).toContain('0000:01:00.0  acme-one  10de:2684  24 GB')
    expect(text).toContain('acme-one: joined by NVSwitches; a guest gets 1, 3 of them')
  })
})

describe('doctor', () => {
  it.each(names)('says what to put right on %s', async (name) => {
    const { text, isHealthy } = await describeTroubles(await fixtureOptions(name), {})
    expect(isHealthy).toBe(false)
    expectGolden(`doctor-${name}.txt`, text)
  })

  it('names the directory that guests could not pass through', async () => {
    const options = await fixtureOptions('small-vm')
    await options.files.changeMode('/var/lib', 0o700)
    expect((await describeTroubles(options, {})).text).toContain(
      "STATE_CLOSED\n  /var/lib is closed to other users (mode 700), and guests' users must pass through it",
    )
  })

  it('says what keeps GPUs that NVSwitches join from guests', async () => {
    const { switches, options } = joinedOptions({ isDriverThere: false })
    expect((await describeTroubles(await options, {})).text).toMatch(
      /MODULE_IDS_UNKNOWN\n {2}Which GPUs are modules 1, 2, 3, 4, 5, 6, 7, 8 .*fabricManager\.moduleIds/,
    )
    switches.stop()
    expect((await describeTroubles(await options, {})).text).toMatch(
      /FABRIC_UNREACHABLE\n {2}.*start nvidia-fabricmanager\. No guest gets GPUs of this host\./,
    )
  })

  it('has nothing to say of a host that is as it should be', async () => {
    const recorded = (await fixtureOptions('hgx-h100')).sysfs
    const sysfs = {
      ...recorded,
      read: async (path: string) =>
        path === 'proc/sys/net/bridge/bridge-nf-call-iptables' ? '0' : recorded.read(path),
    }
    const options = await joinedOptions({ sysfs }).options
    expect(await describeTroubles(options, {})).toEqual({
      ...{ isHealthy: true, text: 'gpu-1: nothing to put right.\n' },
    })
    expect(JSON.parse((await describeTroubles(options, { json: true })).text)).toEqual({
      ...{ hostname: 'gpu-1', troubles: [] },
    })
  })
})
