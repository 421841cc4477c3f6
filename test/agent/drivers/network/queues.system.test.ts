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
import { makeStandInHost, type StandInHost } from './stand-in-host.ts'

const network = labNetwork(64)
const port = labPort(network, 206)
const needs = { root: true, programs: ['ip', 'nft', 'tc', 'dnsmasq', 'sysctl', 'unshare', 'nsenter'] }

describeNeeding(needs, 'the tap of a NIC with several queues', () => {
  let folder: string
  let host: StandInHost
  let driver: NetworkDriver

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'berth-queues-'))
    chmodSync(folder, 0o711)
    host = await makeStandInHost()
    driver = createLinuxNetworkDriver({
      ...{ exec: host.exec, files, processes, uplinks: [], log: silentLogger },
      directories: { state: join(folder, 'state'), run: join(folder, 'run') },
    })
    await driver.ensureNetwork(network)
  })

  afterEach(async () => {
    await driver.removePort({ tap: port.tap, macAddress: port.macAddress, networkUid: network.uid })
    await driver.removeNetwork(network.uid)
    host.remove()
    rmSync(folder, { recursive: true })
  })

  const read = () => {
    const [tap] = JSON.parse(host.run('ip', ['-j', '-d', 'link', 'show', 'dev', port.tap])) as [
      { ifindex: number; linkinfo: { info_data: { multi_queue: boolean; user: number } } },
    ]
    return { index: tap.ifindex, ...tap.linkinfo.info_data }
  }

  it('is one that a QEMU with several opens, with its limit, and stays while they stay', async () => {
    const wide = { ...port, queues: 4, networkMbps: 100 }
    await driver.ensurePort(wide)
    const first = read()
    expect(first).toMatchObject({ multi_queue: true, user: port.ownerUid })
    expect(await driver.findTroubles([wide])).toEqual([])
    await driver.ensurePort(wide)
    expect(read()).toEqual(first)
    // Another guest's: whoever opens it must want what it is.
    await driver.ensurePort({ ...port, queues: 1 })
    expect(read()).toMatchObject({ multi_queue: false, user: port.ownerUid })
    expect(read().index).not.toBe(first.index)
  })
})
