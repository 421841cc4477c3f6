import { describe, expect, it } from 'vitest'
import { renderNoCloud } from '../../../agent/plan/cloud-init.ts'
import { specOf } from '../drivers/hypervisor/guest-specs.ts'

const nowMs = Date.parse('2026-06-01T00:00:00Z')

function filesOf(metadata: Record<string, string>) {
  const items = Object.entries(metadata).map(([key, value]) => ({ key, value }))
  const nics = [{ name: 'nic0', macAddress: '02:00:00:00:00:01', network: { uid: 'n', mtu: 1450 } }]
  return renderNoCloud(specOf({ metadata: items, nics }), nowMs)
}

function vendorOf(metadata: Record<string, string>) {
  const [header, body = ''] = filesOf(metadata)['vendor-data'].split(/\n(.*)/s)
  expect(header).toBe('#cloud-config')
  return JSON.parse(body) as Record<string, unknown>
}

describe('meta-data', () => {
  it('names the instance, and keys of nobody', () => {
    const metaData = JSON.parse(filesOf({ 'ssh-keys': 'admin:ssh-rsa AAA' })['meta-data']) as object
    expect(metaData).toMatchObject({ 'instance-id': specOf({}).uid, 'local-hostname': 'small' })
    expect(metaData).not.toHaveProperty('public-keys')
  })
})

describe('user-data', () => {
  it.each([['#cloud-config\nruncmd: [a]\n'], ['#!/bin/sh\necho "$HOME" ünï\n'], ['']])(
    'is %j as it was given',
    (text) => {
      expect(filesOf({ 'user-data': text })['user-data']).toBe(text)
    },
  )

  it('is decoded where it says that it is encoded', () => {
    const encoded = Buffer.from('#!/bin/sh\necho ünï\n').toString('base64')
    expect(filesOf({ 'user-data': encoded, 'user-data-encoding': 'base64' })['user-data']).toBe(
      '#!/bin/sh\necho ünï\n',
    )
  })

  it('is empty, not missing, where there is none', () => {
    expect(filesOf({})['user-data']).toBe('')
  })
})

describe('vendor-data', () => {
  it('makes the users of ssh-keys beside the image’s own', () => {
    expect(vendorOf({ 'ssh-keys': 'admin:ssh-rsa AAA\nguest:ssh-rsa BBB' })['users']).toMatchObject([
      'default',
      { name: 'admin', ssh_authorized_keys: ['ssh-rsa AAA'], lock_passwd: true },
      { name: 'guest', ssh_authorized_keys: ['ssh-rsa BBB'], lock_passwd: true },
    ])
  })

  it('says how to merge in the two places that cloud-init looks: in the part, and in what it keeps of the part', () => {
    const vendor = vendorOf({ 'ssh-keys': 'admin:ssh-rsa AAA' })
    expect(vendor['merge_how']).toContainEqual({ name: 'list', settings: ['append'] })
    expect(vendor['merge_type']).toEqual(vendor['merge_how'])
  })

  it('changes no users where there are no keys', () => {
    expect(vendorOf({})).not.toHaveProperty('users')
  })

  it('hands a startup script over as it is', () => {
    const script = '#!/bin/sh\necho "yes: no" > /tmp/a\n'
    expect(JSON.stringify(vendorOf({ 'startup-script': script }))).toContain(JSON.stringify(script))
  })
})

describe('network-config', () => {
  it('asks DHCP on the NIC with the MAC', () => {
    expect(JSON.parse(filesOf({})['network-config'])).toEqual({
      version: 2,
      ethernets: { nic0: { match: { macaddress: '02:00:00:00:00:01' }, dhcp4: true, mtu: 1450 } },
    })
  })

  it('asks for an IPv6 address where there is one', () => {
    const nics = [{ name: 'nic0', macAddress: '02:00:00:00:00:01', ipv6Address: 'fd5b:1::a00:7' }]
    expect(JSON.parse(renderNoCloud(specOf({ nics }), nowMs)['network-config'])).toMatchObject({
      ethernets: { nic0: { dhcp4: true, dhcp6: true } },
    })
  })
})
