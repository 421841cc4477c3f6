import { describe, expect, it } from 'vitest'
import { parseQuestion } from '../../../agent/metadata/document.ts'
import { answerGce } from '../../../agent/metadata/gce-answer.ts'
import { renderGceTree } from '../../../agent/plan/gce-tree.ts'
import { specOf } from '../drivers/hypervisor/guest-specs.ts'

const tree = renderGceTree(
  specOf({
    zone: 'us1-a',
    nics: [{ name: 'nic0', network: { ipv4Cidr: '10.0.0.0/24' } }],
    disks: [{ deviceName: 'disk0' }],
    metadata: [
      { key: 'ssh-keys', value: 'admin:ssh-ed25519 AAAA' },
      { key: 'empty', value: '' },
      { key: '__proto__', value: 'polite' },
    ],
  }),
)
const flavour = { 'metadata-flavor': 'Google', host: 'metadata.google.internal' }

function ask(target: string, headers: Record<string, string> = flavour) {
  const question = parseQuestion('GET', target, headers)
  if (question.kind === 'refused') return question.answer
  if (question.kind !== 'gce') throw new Error(`${target} is not for this.`)
  return answerGce(tree, question)
}
const v1 = (path: string) => ask(`/computeMetadata/v1/${path}`)

describe('who is answered', () => {
  it('is whoever says the header, and only for itself', () => {
    expect(v1('instance/name')).toMatchObject({ status: 200, headers: { 'metadata-flavor': 'Google' } })
    const path = '/computeMetadata/v1/instance/name'
    expect(ask(path, { 'x-google-metadata-request': 'True' }).status).toBe(200)
    expect(ask(path, {}).status).toBe(403)
    expect(ask(path, { 'metadata-flavor': 'Amazon' }).status).toBe(403)
    expect(ask(path, { ...flavour, 'x-forwarded-for': '10.0.0.1' }).status).toBe(403)
    expect(ask(path, { ...flavour, host: 'evil.example' }).status).toBe(403)
    expect(ask(path, { ...flavour, host: '169.254.169.254:80' }).status).toBe(200)
  })

  it('is whoever looks for the server, without a header', () => {
    expect(ask('/', {})).toMatchObject({ status: 200, headers: { 'metadata-flavor': 'Google' } })
  })
})

describe('what is answered', () => {
  it('is a list for a directory, which has a slash at its end', () => {
    expect(ask('/computeMetadata/').body).toBe('v1/\n')
    expect(v1('').body).toBe('instance/\nproject/\n')
    expect(v1('instance/network-interfaces/').body).toBe('0/\n')
    expect(v1('instance/disks')).toMatchObject({
      status: 301,
      headers: { location: '/computeMetadata/v1/instance/disks/' },
    })
    expect(v1('instance/attributes/?alt=json').body).toBe('["ssh-keys","empty","__proto__"]')
  })

  it('is the bare value of a leaf: an empty one is there, an unknown one is not', () => {
    expect(v1('instance/attributes/ssh-keys')).toMatchObject({ status: 200, body: 'admin:ssh-ed25519 AAAA' })
    expect(v1('instance/attributes/empty')).toMatchObject({ status: 200, body: '' })
    expect(v1('instance/attributes/__proto__').body).toBe('polite')
    expect(v1('instance/tags').body).toBe('[]')
    for (const path of ['instance/attributes/none', 'instance/constructor', 'instance/name/x', 'toString']) {
      expect(v1(path).status, path).toBe(404)
    }
    expect(ask('/computeMetadata/v2/instance/name').status).toBe(404)
    expect(v1('instance/%zz').status).toBe(404)
  })

  it('is one JSON document where all is asked for, in which only attributes keep their names', () => {
    const all = JSON.parse(v1('?recursive=true').body)
    expect(all.instance.networkInterfaces[0]).toMatchObject({ mtu: 1500, accessConfigs: [] })
    expect(all.instance.attributes['ssh-keys']).toBe('admin:ssh-ed25519 AAAA')
    expect(Number.isSafeInteger(all.instance.id)).toBe(true)
    expect(all.instance.zone).toBe(`projects/${all.project.numericProjectId}/zones/us1-a`)
    expect(JSON.parse(v1('project/attributes/?recursive=True').body)).toEqual({})
    expect(v1('instance/attributes?recursive=true&alt=text').body).toContain(
      'ssh-keys admin:ssh-ed25519 AAAA\n',
    )
  })

  it('has an ETag for what is below the path, and nothing else', () => {
    const other = renderGceTree(specOf({ metadata: [{ key: 'motto', value: 'onwards' }] }))
    const etag = (from: typeof tree, path: string) => {
      const question = parseQuestion('GET', `/computeMetadata/v1/${path}`, flavour)
      return question.kind === 'gce' ? answerGce(from, question).headers['etag'] : ''
    }
    expect(etag(tree, 'instance/')).not.toBe(etag(other, 'instance/'))
    expect(etag(tree, 'project/')).toBe(etag(other, 'project/'))
    expect(etag(tree, 'instance/')).toBe(etag(tree, 'instance/?recursive=true'))
  })
})

describe('the gateway', () => {
  const gatewayOf = (natGateway: boolean) => {
    const network = { ipv4Cidr: '10.0.0.0/24', ipv4Gateway: '10.0.0.1', firewall: { natGateway } }
    return renderGceTree(specOf({ nics: [{ name: 'nic0', network }] }))
  }

  it('is there where the network reaches the outside', () => {
    const interfaces = (gateway: string) => ({ instance: { 'network-interfaces': [{ gateway }] } })
    expect(gatewayOf(true)).toMatchObject(interfaces('10.0.0.1'))
    expect(gatewayOf(false)).toMatchObject(interfaces(''))
  })
})
