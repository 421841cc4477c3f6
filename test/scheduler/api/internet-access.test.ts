// Whether members of a network reach the outside, as whoever sets it meets it.
import { afterEach, describe, expect, it } from 'vitest'
import { readOutbox } from '../../contract/store-values.ts'
import { type Answer, instancesPath, projectPath, type Region, startRegion } from './region.ts'

const networks = `${projectPath}/compute/networks`
const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small'
let region: Region
let token = ''

async function begin(features: readonly string[]) {
  region = await startRegion({ features })
  token = await region.issuer.tokenFor('project-x9y8z7:admin')
}
afterEach(() => region.close())

const asAdmin = (method: string, path: string, body?: object) =>
  region.call(method, path, { token, ...(body === undefined ? {} : { body }) })
async function makeNetwork(body: object) {
  const made = await asAdmin('POST', networks, { id: 'back', ...body })
  await asAdmin('POST', `${projectPath}/compute/subnets`, { network: 'back', ipv4Cidr: '10.9.0.0/24' })
  return made
}
const createInstance = (id: string) =>
  region.call('POST', instancesPath, { body: { id, type, nics: [{ network: 'back' }] } })
const reasons = ({ status, body }: Answer) => [
  status,
  ...(body.error.details as { reason: string; field?: string }[]).map(({ reason, field }) => [reason, field]),
]
const told = () => readOutbox(region.store)

describe('on hosts that are gateways', () => {
  it('is chosen with the network, and comes with every instance', async () => {
    await begin(['nat-gateway'])
    const made = await makeNetwork({ internetAccess: 'NAT' })
    expect([made.status, made.body.internetAccess]).toEqual([201, 'NAT'])
    expect((await createInstance('one')).status).toBe(202)
    const [command] = await told()
    const spec = command?.body.case === 'ensureInstance' ? command.body.value.spec : undefined
    expect(spec?.nics[0]?.network).toMatchObject({
      ...{ ipv4Gateway: '10.9.0.1', firewall: { natGateway: true, deniesIngress: false } },
    })
  })

  it('is none until somebody asks, and reaches hosts with members when it changes', async () => {
    await begin(['nat-gateway', 'stateful-filter'])
    expect((await makeNetwork({})).body.internetAccess).toBe('NONE')
    await createInstance('one')
    const patch = (body: object) => asAdmin('PATCH', `${networks}/back`, body)
    expect((await patch({ internetAccess: 'NAT' })).body.internetAccess).toBe('NAT')
    await patch({ internetAccess: 'NAT' })
    await patch({ defaultIngress: 'DENY' })
    await patch({ internetAccess: 'NONE' })
    const commands = (await told()).flatMap(({ body }) =>
      body.case === 'ensureNetwork' ? [body.value.firewall] : [],
    )
    expect(commands).toMatchObject([
      { generation: 1, natGateway: true, deniesIngress: false },
      { generation: 2, natGateway: true, deniesIngress: true },
      { generation: 3, natGateway: false, deniesIngress: true },
    ])
  })

  it('is one of two words', async () => {
    await begin(['nat-gateway'])
    const wrong = [400, ['INVALID_VALUE', 'internetAccess']]
    expect(reasons(await makeNetwork({ internetAccess: 'YES' }))).toEqual(wrong)
    await makeNetwork({})
    expect(reasons(await asAdmin('PATCH', `${networks}/back`, { internetAccess: 'nat' }))).toEqual(wrong)
    expect((await asAdmin('PATCH', `${networks}/back`, { internetAccess: null })).status).toBe(400)
  })
})

describe('on hosts that are none', () => {
  it('keeps members away, and is not promised to those that are there', async () => {
    await begin(['stateful-filter'])
    await makeNetwork({})
    await createInstance('one')
    const answer = await asAdmin('PATCH', `${networks}/back`, { internetAccess: 'NAT' })
    expect(reasons(answer)).toEqual([409, ['INTERNET_ACCESS_UNSUPPORTED', 'internetAccess']])
    expect((await asAdmin('GET', `${networks}/back`)).body.internetAccess).toBe('NONE')
    await asAdmin('POST', networks, { id: 'open', internetAccess: 'NAT' })
    await asAdmin('POST', `${projectPath}/compute/subnets`, { network: 'open', ipv4Cidr: '10.8.0.0/24' })
    const refused = await region.call('POST', instancesPath, {
      body: { id: 'two', type, nics: [{ network: 'open' }] },
    })
    expect(reasons(refused)).toEqual([422, ['CAN_NEVER_FIT', 'nics']])
    expect(refused.body.error.message).toContain('it lacks nat-gateway')
  })
})
