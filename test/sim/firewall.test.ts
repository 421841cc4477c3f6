// A network that denies what no rule allows, through the whole of Berth, over a host that is a model at the lowest ports.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { firewallTableName } from '../../agent/plan/names.ts'
import { type ResourceUid, resourceUid } from '../../proto/ids.ts'
import { scopeOf } from '../../scheduler/model/resource.ts'
import type { CreateResource } from '../../scheduler/store/resource-store.ts'
import { type SmallRegion, startSmallRegion } from './small-region.ts'

let region: SmallRegion
beforeEach(async () => {
  region = await startSmallRegion()
})
afterEach(() => region.close())

const uid = (number: number) => resourceUid(`0192f0c1-3333-7000-8000-00000000000${number}`)
const [network, subnet, rule] = [uid(1), uid(2), uid(3)]
const project = 'project-x9y8z7'
const nowMs = 1

async function make(...resources: readonly CreateResource[]) {
  expect((await region.ports.store.createResources(resources)).kind).toBe('created')
  await region.ports.catalogue.refresh()
}

const resource = (
  made: Pick<CreateResource, 'uid' | 'collection' | 'body'> & { parentUid?: ResourceUid },
  scope: string = scopeOf.project(project),
): CreateResource => ({ ...made, scope, id: 'back', nowMs })

const allow = (port: string) =>
  resource(
    { uid: rule, collection: 'firewall-rules', parentUid: network, body: { protocol: 'TCP', ports: [port] } },
    scopeOf.network(project, 'back'),
  )

const setPolicy = (defaultIngress: string) =>
  region.ports.store.updateResource({ uid: network, patch: { defaultIngress }, requestId: 'req_test', nowMs })

const rules = () => region.host.network.tableText(firewallTableName(network))

async function member() {
  const { uid: instance } = await region.create({ nics: [{ network: 'back' }] })
  await region.until(instance, (one) => one?.status === 'RUNNING')
  return instance
}

beforeEach(async () => {
  await make(
    resource({ uid: network, collection: 'networks', body: { mtu: 1500, vlan: 0 } }),
    resource({
      ...{ uid: subnet, collection: 'subnets', parentUid: network },
      body: { ipv4Cidr: '10.9.0.0/24' },
    }),
  )
})

it('reaches hosts that have members, and goes again', async () => {
  const instance = await member()
  expect(rules()).toBeUndefined()
  await make(allow('22'))
  expect((await setPolicy('DENY')).kind).toBe('updated')
  await expect.poll(rules).toContain('tcp dport { 22 } accept')
  await region.ports.store.updateResource({ uid: rule, patch: { ports: ['443'] }, requestId: 'r', nowMs })
  await expect.poll(rules).toContain('tcp dport { 443 } accept')
  await region.ports.store.deleteResources([{ uid: rule, requestId: 'r', nowMs }])
  await expect.poll(rules).not.toContain('dport')
  expect(rules()).toContain('drop')
  await setPolicy('ALLOW')
  await expect.poll(rules).toBeUndefined()
  await region.delete(instance)
})

it('is there before the first member, and gone after the last', async () => {
  await setPolicy('DENY')
  await make(allow('22'))
  expect(rules()).toBeUndefined()
  const instance = await member()
  expect(rules()).toContain('tcp dport { 22 } accept')
  await region.delete(instance)
  await region.until(instance, (one) => one === undefined)
  expect(rules()).toBeUndefined()
  expect(region.host.files.paths().filter((path) => path.startsWith('/state/networks/'))).toEqual([])
})

it('is kept by an agent that comes back, also in place of the rules that members came with', async () => {
  await setPolicy('DENY')
  await member()
  await make(allow('22'))
  await expect.poll(rules).toContain('22')
  region.host.network.deleteTable(firewallTableName(network))
  await region.restartAgent()
  expect(rules()).toContain('tcp dport { 22 } accept')
})
