// A network that reaches the outside, through the whole of Berth, over a host that is a model at the lowest ports.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { gatewayPortName, gatewayTableName, sharedGatewayTableName } from '../../agent/plan/names.ts'
import { type SmallRegion, startSmallRegion } from './small-region.ts'

/** The region's default one. */
const network = '0192a5b0-0000-7000-8000-4f2a90c1d3e5'
let region: SmallRegion
beforeEach(async () => {
  region = await startSmallRegion()
})
afterEach(() => region.close())

async function openNetwork(internetAccess: string) {
  const [project] = region.ports.catalogue.projects
  const uid = project?.networks[0]?.meta.uid
  if (uid === undefined) throw new Error('The small region has no network.')
  const patch = { internetAccess }
  const outcome = await region.ports.store.updateResource({ uid, patch, requestId: 'req_test', nowMs: 1 })
  await region.ports.catalogue.refresh()
  expect(outcome.kind).toBe('updated')
}

/** With a NIC of two queues. */
async function member() {
  const { uid } = await region.create({ type: 'custom-2-1024', disks: [{ source: 'debian-12' }] })
  await region.until(uid, (one) => one?.status === 'RUNNING')
  return uid
}

const rules = () => region.host.network.tableText(gatewayTableName(network))
const links = () => region.host.network.links('').map(({ name }) => name)
const configOf = async () => {
  const text = await region.host.files.read(`/run/berth/networks/${network}/dnsmasq.conf`)
  return new TextDecoder().decode(text)
}
const gatewayOf = async () => {
  const [path = ''] = region.host.files.paths().filter((one) => /^\/state\/metadata\/.*10\.80/.test(one))
  const document = JSON.parse(new TextDecoder().decode(await region.host.files.read(path)))
  return document.gce.instance['network-interfaces'][0].gateway
}

it('opens and closes while members run, and tells them', async () => {
  const instance = await member()
  expect([rules(), await gatewayOf()]).toEqual([undefined, ''])
  await openNetwork('NAT')
  await expect.poll(gatewayOf).toBe('10.80.0.1')
  expect(rules()).toContain('oifname "eth0" ip saddr 169.254.64.1 masquerade')
  expect(links()).toContain(gatewayPortName(network))
  expect(await configOf()).toContain('dhcp-option=121,169.254.169.254/32,10.80.0.254,0.0.0.0/0,10.80.0.1\n')
  expect(await configOf()).toContain('server=192.0.2.53\n')
  await openNetwork('NONE')
  await expect.poll(gatewayOf).toBe('')
  expect([rules(), region.host.network.tableText(sharedGatewayTableName)]).toEqual([undefined, undefined])
  expect(links()).not.toContain(gatewayPortName(network))
  expect(await configOf()).toContain('dhcp-option=3\n')
  await region.delete(instance)
})

it('is there from the first member to the last, whoever is the agent', async () => {
  const before = region.host.describe()
  await openNetwork('NAT')
  const instance = await member()
  expect([rules() !== undefined, await gatewayOf()]).toEqual([true, '10.80.0.1'])
  expect(region.host.network.tableText(sharedGatewayTableName)).toContain('iifname "eth0"')
  const made = region.host.describe()
  region.host.network.deleteTable(gatewayTableName(network))
  await region.restartAgent()
  expect(rules()).toContain('masquerade')
  expect(region.host.describe()).toBe(made)
  await region.delete(instance)
  await region.until(instance, (one) => one === undefined)
  expect(region.host.network.settings.get('net/ipv4/conf/eth0/forwarding')).toBe('0')
  expect(JSON.parse(region.host.describe()).links).toEqual(JSON.parse(before).links)
  expect(JSON.parse(region.host.describe()).tables).toEqual([])
})
