// What members of a network may receive, as whoever sets it meets it.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readOutbox } from '../../contract/store-values.ts'
import { type Answer, instancesPath, projectPath, type Region, startRegion } from './region.ts'

const networks = `${projectPath}/compute/networks`
const rules = `${networks}/back/firewall`
const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small'
let region: Region
let token = ''

async function begin(options: Parameters<typeof startRegion>[0]) {
  region = await startRegion(options)
  token = await region.issuer.tokenFor('project-x9y8z7:admin')
  await asAdmin('POST', networks, { id: 'back' })
  await asAdmin('POST', `${projectPath}/compute/subnets`, { network: 'back', ipv4Cidr: '10.9.0.0/24' })
}
afterEach(() => region.close())

const asAdmin = (method: string, path: string, body?: object) =>
  region.call(method, path, { token, ...(body === undefined ? {} : { body }) })
const reasons = ({ status, body }: Answer) => [
  status,
  ...(body.error.details as { reason: string; field?: string }[]).map(({ reason, field }) => [reason, field]),
]
const create = (id: string) =>
  region.call('POST', instancesPath, { body: { id, type, nics: [{ network: 'back' }] } })

/** What the host is told about the network, in order. */
async function told() {
  const commands = await readOutbox(region.store)
  return commands.flatMap(({ body, requestId }) =>
    body.case === 'ensureNetwork' ? [{ ...body.value.firewall, requestId }] : [],
  )
}

describe('on hosts that can filter', () => {
  beforeEach(() => begin({ features: ['stateful-filter'] }))

  it('is a list of rules of a network that denies what they do not allow', async () => {
    const made = await asAdmin('POST', rules, {
      id: 'ssh',
      protocol: 'TCP',
      ports: ['22'],
      sources: ['10.0.0.0/8'],
    })
    expect([made.status, made.headers.get('location')]).toEqual([201, `${rules}/ssh`])
    expect(made.body).toMatchObject({
      id: 'ssh',
      network: `${networks}/back`,
      protocol: 'TCP',
      ports: ['22'],
    })
    expect((await asAdmin('GET', `${networks}/back`)).body.defaultIngress).toBe('ALLOW')
    await create('one')
    expect(await told()).toEqual([])

    const denied = await asAdmin('PATCH', `${networks}/back`, { defaultIngress: 'DENY' })
    expect([denied.status, denied.body.defaultIngress]).toEqual([200, 'DENY'])
    const changed = await asAdmin('PATCH', `${rules}/ssh`, { ports: ['22', '2200-2300'], sources: null })
    expect(changed.body).not.toHaveProperty('sources')
    expect((await asAdmin('DELETE', `${rules}/ssh`)).status).toBe(204)
    const commands = await told()
    expect(commands).toMatchObject([
      { generation: 1, deniesIngress: true, rules: [{ id: 'ssh', sources: ['10.0.0.0/8'] }] },
      { generation: 2, deniesIngress: true, rules: [{ id: 'ssh', ports: [{ first: 22 }, { last: 2300 }] }] },
      { generation: 3, deniesIngress: true, rules: [] },
    ])
    expect(commands[0]?.requestId).toMatch(/^req_/)
    expect((await asAdmin('GET', rules)).body.firewallRules).toEqual([])
  })

  it('comes with every instance that joins later', async () => {
    await asAdmin('PATCH', `${networks}/back`, { defaultIngress: 'DENY' })
    await asAdmin('POST', rules, { id: 'ping', protocol: 'ICMP' })
    expect((await create('one')).status).toBe(202)
    const [command] = await readOutbox(region.store)
    const spec = command?.body.case === 'ensureInstance' ? command.body.value.spec : undefined
    expect(spec?.nics[0]?.network?.firewall).toMatchObject({
      ...{ generation: 2, deniesIngress: true, rules: [{ id: 'ping' }] },
    })
  })

  it.each([
    [{ protocol: 'ICMP', ports: ['22'] }, [400, ['INVALID_VALUE', 'ports']]],
    [
      { protocol: 'TCP', ports: ['22', '99-22', '0', 'ssh'] },
      [400, ...[1, 2, 3].map((at) => ['INVALID_VALUE', `ports[${at}]`])],
    ],
    [
      { protocol: 'ALL', sources: ['10.0.0.1/24', '10.0.0.1', 'fe80::/129'] },
      [400, ...[0, 1, 2].map((at) => ['INVALID_VALUE', `sources[${at}]`])],
    ],
    [
      { protocol: 'ALL', sources: ['10.0.0.0/8'], destinations: ['fd00::/64'] },
      [400, ['INVALID_VALUE', 'destinations']],
    ],
    [{ protocol: 'SCTP' }, [400, ['INVALID_VALUE', 'protocol']]],
    [{ protocol: 'TCP', port: ['22'] }, [400, ['UNKNOWN_FIELD', 'port']]],
    [{}, [400, ['MISSING_FIELD', 'protocol']]],
  ])('refuses %j', async (body, expected) => {
    expect(reasons(await asAdmin('POST', rules, body))).toEqual(expected)
    expect((await asAdmin('GET', rules)).body.firewallRules).toEqual([])
  })

  it('refuses a patch that leaves a rule without sense', async () => {
    await asAdmin('POST', rules, { id: 'web', protocol: 'TCP', ports: ['80'] })
    const answer = await asAdmin('PATCH', `${rules}/web`, { protocol: 'ICMP' })
    expect(reasons(answer)).toEqual([400, ['INVALID_VALUE', 'ports']])
    expect((await asAdmin('PATCH', `${rules}/web`, { protocol: 'ICMP', ports: null })).status).toBe(200)
  })

  it('goes with its network, and has names of its own in each', async () => {
    await asAdmin('POST', rules, { id: 'web', protocol: 'TCP' })
    expect(reasons(await asAdmin('POST', rules, { id: 'web', protocol: 'UDP' }))).toEqual([
      ...[409, ['NAME_TAKEN', 'id']],
    ])
    await asAdmin('POST', networks, { id: 'other' })
    expect((await asAdmin('POST', `${networks}/other/firewall`, { id: 'web', protocol: 'UDP' })).status).toBe(
      201,
    )
    expect((await asAdmin('DELETE', `${networks}/other`)).status).toBe(204)
    expect((await asAdmin('GET', `${networks}/other/firewall`)).status).toBe(404)
    expect((await asAdmin('GET', rules)).body.firewallRules).toHaveLength(1)
  })

  it('ends at a hundred rules', async () => {
    const answers: number[] = []
    for (let port = 1; port <= 101; port += 1) {
      answers.push((await asAdmin('POST', rules, { protocol: 'TCP', ports: [String(port)] })).status)
    }
    expect([answers.filter((status) => status === 201).length, answers.at(-1)]).toEqual([100, 409])
  })
})

describe('on hosts that can not', () => {
  beforeEach(() => begin({}))

  it('is not promised: a network with members there goes on allowing', async () => {
    await create('one')
    const answer = await asAdmin('PATCH', `${networks}/back`, { defaultIngress: 'DENY' })
    expect(reasons(answer)).toEqual([409, ['FIREWALL_UNSUPPORTED', 'defaultIngress']])
    expect((await asAdmin('GET', `${networks}/back`)).body.defaultIngress).toBe('ALLOW')
  })

  it('keeps members away', async () => {
    await asAdmin('PATCH', `${networks}/back`, { defaultIngress: 'DENY' })
    const answer = await create('one')
    expect(reasons(answer)).toEqual([422, ['CAN_NEVER_FIT', 'nics']])
    expect(answer.body.error.message).toContain('it lacks stateful-filter')
  })
})
