import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CreateFlags, makeCreateRequest } from '../../../cli/instances/create-request.ts'

const key = 'ssh-ed25519 AAAAC3Nza laptop'
const files: Readonly<Record<string, string>> = {
  '/id.pub': `${key}\n`,
  '~/id.pub': `${key}\n`,
  '/id': '-----BEGIN OPENSSH PRIVATE KEY-----\n',
  '/two.pub': `${key}\n${key}\n`,
  '/user-data': '#cloud-config\n{}\n',
}

const make = (flags: Partial<CreateFlags>) =>
  makeCreateRequest(
    { type: 'g1-small', ...flags },
    { region: 'us-texas-1', defaultUser: 'ada', readFile: (path) => files[path] ?? '' },
  )

describe('the request of a create', () => {
  it('leaves out what was left open', () => {
    expect(make({})).toEqual({ type: 'g1-small' })
  })

  it('has everything that was said', () => {
    expect(
      make({
        zone: 'us1-a',
        image: 'debian-12',
        diskGb: 20,
        ...{ network: 'backend', subnet: 'backend-1', address: '10.90.0.20' },
        gpu: ['nvidia-l40s', 'nvidia-h100-80gb:8'],
        gpuTopology: 'same-numa',
        ...{ affinity: ['cache'], antiAffinity: ['db', 'web'], isolation: 'host', packing: 'spread' },
        ...{ hostLabel: ['rack=r1'], expectedLifetime: 3600, waitForCapacity: true, waitTimeout: 60 },
        sshKey: ['admin:@/id.pub', '@~/id.pub', `root:${key}`],
        userData: '@/user-data',
        metadata: ['note=a=b'],
        label: ['team=ml', 'tier='],
      }),
    ).toEqual({
      type: '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small',
      disks: [{ source: 'debian-12', boot: true, sizeGb: 20 }],
      nics: [{ network: 'backend', subnet: 'backend-1', ipv4Address: '10.90.0.20' }],
      gpus: [
        { type: 'nvidia-l40s', count: 1, topology: 'same-numa' },
        { type: 'nvidia-h100-80gb', count: 8, topology: 'same-numa' },
      ],
      scheduling: {
        ...{ affinity: ['cache'], antiAffinity: ['db', 'web'], isolation: 'host', packing: 'spread' },
        ...{ hostLabels: { rack: 'r1' }, expectedLifetimeSeconds: 3600 },
        ...{ waitForCapacity: true, waitTimeoutSeconds: 60 },
      },
      labels: { team: 'ml', tier: '' },
      instanceMetadata: [
        { key: 'note', value: 'a=b' },
        { key: 'user-data', value: '#cloud-config\n{}\n' },
        { key: 'ssh-keys', value: `admin:${key}\nada:${key}\nroot:${key}` },
      ],
    })
  })

  it.each([
    [{ diskGb: 20 }, '--disk-gb needs --image'],
    [{ gpuTopology: 'fabric' as const }, '--gpu-topology needs --gpu'],
    [{ waitTimeout: 60 }, '--wait-timeout needs --wait-for-capacity'],
    [{ userData: 'setup.yaml' }, '--user-data setup.yaml: write @setup.yaml'],
    [{ userData: '~/setup' }, 'write @~/setup'],
    [{ metadata: ['novalue'] }, '--metadata novalue: write KEY=VALUE.'],
    [{ label: ['=x'] }, '--label =x: write KEY=VALUE.'],
    [{ metadata: ['a=1', 'a=2'] }, 'key a is given twice'],
    [{ metadata: ['ssh-keys=x'], sshKey: ['@/id.pub'] }, 'key ssh-keys is given twice'],
    [{ sshKey: ['admin:@/id'] }, 'is a private key'],
    [{ sshKey: ['admin:@/two.pub'] }, 'one public key'],
    [{ sshKey: ['admin'] }, 'write USER:@FILE'],
  ] satisfies [Partial<CreateFlags>, string][])('refuses %j', (flags, message) => {
    expect(() => make(flags)).toThrow(message)
  })

  it('keeps every value of a metadata item as it is', () => {
    fc.assert(
      fc.property(
        fc.string().filter((value) => !value.startsWith('@')),
        (value) => {
          expect(make({ metadata: [`k=${value}`] }).instanceMetadata).toEqual([{ key: 'k', value }])
        },
      ),
    )
  })
})
