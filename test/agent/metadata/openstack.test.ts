import { describe, expect, it } from 'vitest'
import { type Document, parseQuestion } from '../../../agent/metadata/document.ts'
import { answerOpenstack } from '../../../agent/metadata/openstack.ts'
import { renderOpenstackFiles } from '../../../agent/plan/openstack-files.ts'
import { specOf } from '../drivers/hypervisor/guest-specs.ts'

const spec = specOf({
  id: 'web-1',
  hostname: 'web-1.example.internal',
  zone: 'us1-a',
  nics: [
    {
      name: 'nic0',
      macAddress: '02:00:00:00:00:01',
      ipv6Address: 'fd5b:1::a00:7',
      network: { uid: 'n', mtu: 1450 },
    },
  ],
  metadata: [
    { key: 'ssh-keys', value: 'admin:ssh-ed25519 AAAA' },
    { key: 'user-data', value: '#!/bin/sh\n' },
    { key: 'motto', value: 'polite' },
  ],
})
const nocloud = { 'meta-data': '', 'user-data': '', 'vendor-data': '', 'network-config': '' }
const document: Document = {
  instanceUid: spec.uid,
  nocloud,
  gce: {},
  openstack: renderOpenstackFiles(spec, 0),
}

function get(path: string, of: Document | undefined = document) {
  const question = parseQuestion('GET', path, {})
  if (question.kind !== 'openstack') throw new Error(`${path} is not for this.`)
  return answerOpenstack(of, question)
}

describe("OpenStack's files", () => {
  it('are listed below versions', () => {
    expect(get('/openstack').body).toContain('2018-08-27\nlatest\n')
    expect(get('/openstack/latest/').body).toBe(
      'meta_data.json\nnetwork_data.json\nuser_data\nvendor_data.json\n',
    )
  })

  it('say what the instance is', () => {
    const meta = get('/openstack/2018-08-27/meta_data.json')
    expect(meta.headers).toMatchObject({ 'content-type': 'application/json' })
    expect(JSON.parse(meta.body)).toMatchObject({
      uuid: spec.uid,
      hostname: 'web-1.example.internal',
      availability_zone: 'us1-a',
      public_keys: { admin: 'ssh-ed25519 AAAA' },
      meta: { motto: 'polite' },
    })
    expect(JSON.parse(get('/openstack/latest/meta_data.json').body).meta).toEqual({ motto: 'polite' })
    expect(get('/openstack/latest/user_data').body).toBe('#!/bin/sh\n')
    const vendor = JSON.parse(get('/openstack/latest/vendor_data.json').body) as { 'cloud-init': string }
    expect(vendor['cloud-init']).toMatch(/^#cloud-config\n.*"name":"admin"/s)
    expect(JSON.parse(get('/openstack/latest/network_data.json').body)).toMatchObject({
      links: [{ id: 'nic0', ethernet_mac_address: '02:00:00:00:00:01', mtu: 1450 }],
      networks: [{ type: 'ipv4_dhcp' }, { type: 'ipv6_dhcpv6-stateful' }],
    })
  })

  it.each([
    '/openstack/2099-01-01/meta_data.json',
    '/openstack/latest/x',
    '/openstack/latest/user_data/x',
    '/openstack/latest/__proto__',
  ])('have no %s', (path) => {
    expect(get(path).status).toBe(404)
  })

  it('leave out user data that is not there, and are not ready without a document', () => {
    expect(renderOpenstackFiles(specOf({}), 0)).not.toHaveProperty('user_data')
    expect(answerOpenstack(undefined, { kind: 'openstack', path: ['latest', 'meta_data.json'] }).status).toBe(
      503,
    )
  })
})
