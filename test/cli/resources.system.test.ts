import { afterEach, beforeEach, expect, it } from 'vitest'
import { type AnsweringServer, runBerth, startServer } from './berth.ts'

const region = '/v1/regions/r1'
const project = `${region}/projects/p1`
let server: AnsweringServer
const run = (...args: readonly string[]) =>
  runBerth(args, {
    ...{ BERTH_SERVER: server.url, BERTH_TOKEN: 't', BERTH_REGION: 'r1', BERTH_PROJECT: 'p1' },
  })

beforeEach(async () => {
  const network = { id: 'back', mtu: 9000, subnets: [] }
  const type = { id: 'g9', vcpus: 2, memoryMib: 1024, gpus: [{ type: 'h100', count: 1 }] }
  const rule = {
    id: 'web',
    protocol: 'TCP',
    ports: ['80', '443'],
    network: `${project}/compute/networks/back`,
  }
  server = await startServer({
    [`POST ${project}/compute/networks`]: [{ status: 201, body: network }],
    [`PATCH ${project}/compute/networks/back`]: [{ status: 200, body: network }],
    [`DELETE ${project}/compute/networks/back`]: [{ status: 204 }],
    [`POST ${region}/zones/z1/instance-types`]: [{ status: 201, body: type }],
    [`POST ${region}/zones`]: [{ status: 201, body: { id: 'z2', cpuOvercommit: 1.5 } }],
    [`PATCH ${region}/zones/z1/accelerator-types/h100`]: [
      { status: 200, body: { id: 'h100', pciIds: ['10de:2330', '10de:2331'], maximumPerInstance: 4 } },
    ],
    [`GET ${project}/compute/networks?pageSize=500`]: [{ status: 200, body: { networks: [network] } }],
    [`POST ${project}/compute/networks/back/firewall`]: [{ status: 201, body: rule }],
    [`GET ${project}/compute/networks/back/firewall?pageSize=500`]: [
      { status: 200, body: { firewallRules: [rule] } },
    ],
    [`PUT ${project}/quotas`]: [{ status: 200, body: { quotas: [] } }],
  })
})
afterEach(() => server.close())

it('makes, changes and deletes what the project has', async () => {
  const made = await run('networks', 'create', 'back', '--mtu', '9000')
  expect([made.exitCode, made.stdout]).toEqual([0, expect.stringMatching(/back +- +9000/)])
  expect((await run('networks', 'update', 'back', '--description', '')).exitCode).toBe(0)
  expect((await run('networks', 'delete', 'back')).stdout).toBe('back is deleted\n')
  expect(server.calls.map(({ method, body }) => [method, body])).toEqual([
    ['POST', { id: 'back', mtu: 9000 }],
    ['PATCH', { description: null }],
    ['DELETE', undefined],
  ])
  for (const { headers } of server.calls) expect(headers['idempotency-key']).toMatch(/^[0-9a-f-]{36}$/)
})

it('asks for no more than it shows', async () => {
  const first = `GET ${project}/audit?pageSize=2`
  const entries = [{ id: 'a' }, { id: 'b' }]
  const short = await startServer({ [first]: [{ status: 200, body: { entries, nextPageToken: 'more' } }] })
  const asked = await runBerth(['audit', 'list', '--limit', '2', '-o', 'name'], {
    ...{ BERTH_SERVER: short.url, BERTH_TOKEN: 't', BERTH_REGION: 'r1', BERTH_PROJECT: 'p1' },
  })
  short.close()
  expect([asked.exitCode, asked.stdout.trim().split('\n').length, short.calls.length]).toEqual([0, 2, 1])
  expect((await run('networks', 'list', '--limit', '0')).stderr).toContain('It must be at least 1.')
})

it('puts what belongs inside of something there, and into its zone', async () => {
  const flags = ['--vcpus', '2', '--memory-mib', '1024', '--gpu-type', 'h100', '--gpu-count', '1']
  expect((await run('types', 'create', 'g9', '--zone', 'z1', ...flags)).exitCode).toBe(0)
  expect(server.calls.at(-1)?.body).toEqual({
    ...{ id: 'g9', vcpus: 2, memoryMib: 1024, gpus: { type: 'h100', count: 1 } },
  })
  expect((await run('quotas', 'set', 'vcpus=64', 'instances=none')).exitCode).toBe(0)
  expect(server.calls.at(-1)?.body).toEqual({ limits: { vcpus: 64, instances: null } })
})

it('makes places, and says which devices are of a type', async () => {
  const made = await run('zones', 'create', 'z2', '--cpu-overcommit', '1.5')
  expect(made.stdout).toMatch(/z2 +1\.5/)
  expect(server.calls.at(-1)?.body).toEqual({ id: 'z2', cpuOvercommit: 1.5 })
  const flags = ['--pci-ids', '10de:2330,10de:2331', '--maximum-per-instance', '4', '--memory-gb', '']
  expect((await run('gpus', 'update', 'h100', '--zone', 'z1', ...flags)).stdout).toMatch(
    /h100 +- +- +4 +10de:2330 10de:2331/,
  )
  expect(server.calls.at(-1)?.body).toEqual({
    ...{ pciIds: ['10de:2330', '10de:2331'], maximumPerInstance: 4, memoryGb: null },
  })
})

it('finds what belongs to a network there, or in all of them', async () => {
  const flags = ['--protocol', 'TCP', '--ports', '80,443']
  expect((await run('firewall', 'create', 'web', '--network', 'back', ...flags)).exitCode).toBe(0)
  expect(server.calls.at(-1)?.body).toEqual({ id: 'web', protocol: 'TCP', ports: ['80', '443'] })
  const listed = await run('firewall', 'list')
  expect(listed.stdout).toMatch(/web +back +TCP +80 443/)
  expect((await run('firewall', 'list', '--network', 'back')).stdout).toBe(listed.stdout)
})

it.each([
  [['networks', 'create', '--mtu', 'big'], /--mtu takes a whole number, not "big"/],
  [['zones', 'create', 'z2', '--cpu-overcommit', '2,5'], /--cpu-overcommit takes a number such as 1.5/],
  [['gpus', 'create', 'h200', '--zone', 'z1'], /--pci-ids/],
  [['networks', 'update', 'back'], /give one of --description/],
  [['quotas', 'set', 'vcpus'], /write vcpus=64/],
  [['firewall', 'create', 'web', '--protocol', 'TCP'], /--network/],
  [['types', 'create', 'g9', '--vcpus', '1', '--memory-mib', '512'], /--zone/],
])('says what is wrong with %j, and asks nothing', async (args, sentence) => {
  const { exitCode, stderr } = await run(...args)
  expect([exitCode, stderr]).toEqual([2, expect.stringMatching(sentence)])
  expect(server.calls).toEqual([])
})
