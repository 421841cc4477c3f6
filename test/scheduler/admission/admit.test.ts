import { describe, expect, it } from 'vitest'
import { admitInstance } from '../../../scheduler/admission/admit.ts'
import type { InstanceRequest } from '../../../scheduler/admission/instance-request.ts'
import { exampleContext, exampleImage, exampleKey, exampleType } from './context.ts'

const context = exampleContext()

function admitted(request: InstanceRequest) {
  const admission = admitInstance(request, context)
  if (admission.kind === 'refused') throw new Error(JSON.stringify(admission.problems))
  return admission
}

/** field → reason of every problem */
function problems(request: InstanceRequest): readonly (readonly [string | undefined, string])[] {
  const admission = admitInstance(request, context)
  return admission.kind === 'refused' ? admission.problems.map(({ field, reason }) => [field, reason]) : []
}

describe('admitInstance', () => {
  it('fills in every default', () => {
    const { details, demand, addresses, id, spec } = admitted({ type: exampleType })
    expect(id).toBe('instance-d4e5f6')
    expect(details).toEqual({
      labels: {},
      type: exampleType,
      instanceMetadata: [],
      hostname: 'instance-d4e5f6.us1-a.c.project-x9y8z7.internal',
      disks: [
        {
          deviceName: 'disk0',
          sizeGb: 10,
          interface: 'VIRTIO',
          source: exampleImage,
          boot: true,
          type: 'PERSISTENT',
          mode: 'READ_WRITE',
          autoDelete: true,
        },
      ],
      nics: [
        {
          name: 'nic0',
          network: '/v1/regions/us-texas-1/projects/project-x9y8z7/compute/networks/default',
          subnet: '/v1/regions/us-texas-1/projects/project-x9y8z7/compute/subnets/default',
          macAddress: '02:be:80:00:00:00',
        },
      ],
      gpus: [],
    })
    expect(demand).toEqual({
      zone: 'us1-a',
      project: 'project-x9y8z7',
      vcpus: 4,
      memoryMib: 8192,
      diskGb: 10,
      gpus: [],
      architecture: 'x86_64',
    })
    expect(addresses[0]).toMatchObject({
      ipv4Cidr: '10.20.0.0/24',
      reservedIpv4: ['10.20.0.1', '10.20.0.254'],
    })
    expect(spec.nics[0]?.network).toMatchObject({
      ipv4Gateway: '10.20.0.1',
      serviceIpv4: '10.20.0.254',
      mtu: 1500,
      domain: 'us1-a.c.project-x9y8z7.internal',
    })
    expect(details).not.toHaveProperty('warnings')
  })

  it('takes references as path, as full URL of this server and as bare id', () => {
    const forms = [exampleType, `http://api.example.net:8080${exampleType}`, 'g1-xlarge']
    expect(forms.map((type) => admitted({ type }).details.type)).toEqual([
      exampleType,
      exampleType,
      exampleType,
    ])
    expect(problems({ type: `http://elsewhere.example.net${exampleType}` })).toEqual([
      ['type', 'REFERENCE_MALFORMED'],
    ])
  })

  it('wants the zone of a bare type that two zones have', () => {
    expect(problems({ type: 'g1-small' })).toEqual([['type', 'REFERENCE_AMBIGUOUS']])
  })

  it('asks for an uplink with the largest MTU of its networks with a VLAN', () => {
    const nics = [{ network: 'network-g7h8i9' }, { network: 'default' }]
    const { demand, spec } = admitted({ type: exampleType, nics })
    expect(demand.uplinks).toEqual([{ physicalNetwork: 'default', mtu: 9000 }])
    expect(spec.nics.map(({ network }) => network?.physicalNetwork)).toEqual(['default', ''])
    expect(admitted({ type: exampleType }).demand).not.toHaveProperty('uplinks')
  })

  it('takes custom types', () => {
    const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/custom-6-1280'
    const { demand } = admitted({ type, disks: [{ source: exampleImage }] })
    expect(demand).toMatchObject({ vcpus: 6, memoryMib: 1280 })
    expect(problems({ type, disks: [] })).toEqual([['disks', 'NO_DEFAULT_IMAGE']])
  })

  it.each(['custom-0-1024', 'custom-513-1024', 'custom-1-1000', 'custom-1', 'custom-01-1024'])(
    'refuses the custom type %s',
    (id) => {
      const type = `/v1/regions/us-texas-1/zones/us1-a/instance-types/${id}`
      expect(problems({ type, disks: [{ source: exampleImage }] })).toEqual([['type', 'INVALID_CUSTOM_TYPE']])
    },
  )

  it('keeps a READ_ONLY boot disk and warns', () => {
    const { details, spec } = admitted({
      type: exampleType,
      disks: [{ source: exampleImage, boot: true, mode: 'READ_ONLY', interface: 'SCSI' }],
    })
    expect(details.disks[0]).toMatchObject({ mode: 'READ_ONLY', interface: 'SCSI' })
    expect(spec.disks[0]?.readOnly).toBe(true)
    expect(details.warnings?.join()).toContain('READ_ONLY')
  })

  it('adds equal GPUs up and gives bundled ones', () => {
    const gpu = { type: 'nvidia-h100-80gb', count: 2 }
    expect(admitted({ type: exampleType, gpus: [gpu, gpu] }).demand.gpus).toEqual([{ ...gpu, count: 4 }])
    expect(admitted({ type: 'a1-h100-8' }).demand.gpus).toEqual([{ ...gpu, count: 8 }])
    expect(problems({ type: 'a1-h100-8', gpus: [gpu] })).toEqual([['gpus', 'GPUS_BUNDLED']])
    expect(problems({ type: exampleType, gpus: [{ ...gpu, count: 9 }] })).toEqual([
      ['gpus[0].count', 'TOO_MANY_GPUS'],
    ])
  })

  it('takes one topology for all GPUs of a type, and leaves out that any will do', () => {
    const gpu = { type: 'nvidia-h100-80gb', count: 2 }
    const near = { ...gpu, topology: 'same-switch' } as const
    const { demand, details } = admitted({ type: exampleType, gpus: [near, near] })
    expect(demand.gpus).toEqual([{ ...near, count: 4 }])
    expect(details.gpus).toMatchObject([{ count: 4, topology: 'same-switch' }])
    expect(admitted({ type: exampleType, gpus: [{ ...gpu, topology: 'any' }] }).demand.gpus).toEqual([gpu])
    expect(problems({ type: exampleType, gpus: [near, gpu] })).toEqual([
      ['gpus[1].topology', 'GPU_TOPOLOGIES_DIFFER'],
    ])
  })

  it('names every problem at once', () => {
    const found = problems({
      type: '/v1/regions/us-texas-1/zones/us1-z/instance-types/g1-xlarge',
      hostname: '-bad.',
      labels: { Bad: 'x' },
      instanceMetadata: [
        { key: 'ssh-keys', value: `admin:${exampleKey}\nnobody` },
        { key: 'a b', value: '' },
        { key: 'user-data-encoding', value: 'base64' },
        { key: 'user-data', value: '#cloud-config' },
      ],
      disks: [
        { source: exampleImage, sizeGb: 9, boot: true },
        { boot: true },
        { source: '/v1/regions/other/compute/images/x' },
      ],
      nics: [
        { network: 'nowhere' },
        { ipv4Address: '10.20.0.1' },
        { ipv4Address: '10.21.0.7', ipv6Address: 'fe80::1' },
        { ipv4Address: '010.20.0.7' },
        { network: 'network-g7h8i9', vlan: 7 },
        { network: '/v1/regions/us-texas-1/projects/project-other/compute/networks/default' },
      ],
    })
    expect(found).toEqual([
      ['type', 'REFERENCE_NOT_FOUND'],
      ['disks', 'SEVERAL_BOOT_DISKS'],
      ['disks[0].sizeGb', 'DISK_TOO_SMALL'],
      ['disks[1].sizeGb', 'DISK_SIZE_REQUIRED'],
      ['disks[2].source', 'WRONG_REGION'],
      ['nics[0].network', 'REFERENCE_NOT_FOUND'],
      ['nics[1].ipv4Address', 'ADDRESS_RESERVED'],
      ['nics[2].ipv4Address', 'ADDRESS_OUTSIDE_SUBNET'],
      ['nics[2].ipv6Address', 'NO_IPV6'],
      ['nics[3].ipv4Address', 'INVALID_VALUE'],
      ['nics[4].vlan', 'VLAN_MISMATCH'],
      ['nics[5].network', 'WRONG_PROJECT'],
      ['labels.Bad', 'INVALID_LABEL'],
      ['instanceMetadata[0].value', 'INVALID_SSH_KEY'],
      ['instanceMetadata[1].key', 'INVALID_METADATA'],
      ['instanceMetadata[3].value', 'INVALID_METADATA'],
      ['hostname', 'INVALID_VALUE'],
    ])
  })

  it('refuses metadata over the limits, and keys given twice', () => {
    const big = (key: string) => ({ key, value: 'x'.repeat(256 * 1024) })
    expect(problems({ type: exampleType, instanceMetadata: [big('a'), big('b')] })).toEqual([
      ['instanceMetadata', 'METADATA_TOO_LARGE'],
    ])
    expect(
      problems({ type: exampleType, instanceMetadata: [{ key: 'a', value: 'x'.repeat(256 * 1024 + 1) }] }),
    ).toEqual([['instanceMetadata[0].value', 'METADATA_TOO_LARGE']])
    const twice = { key: 'a', value: '' }
    expect(problems({ type: exampleType, instanceMetadata: [twice, twice] })).toEqual([
      ['instanceMetadata[1].key', 'INVALID_METADATA'],
    ])
  })

  it('finds the network through its subnet', () => {
    const { details } = admitted({ type: exampleType, nics: [{ subnet: 'subnet-a1b2c3', vlan: 123 }] })
    expect(details.nics[0]).toMatchObject({
      vlan: 123,
      network: expect.stringContaining('network-g7h8i9') as string,
    })
    expect(problems({ type: exampleType, nics: [{ network: 'default', subnet: 'subnet-a1b2c3' }] })).toEqual([
      ['nics[0].subnet', 'REFERENCE_NOT_FOUND'],
    ])
  })

  it('refuses one address for two NICs', () => {
    const nic = { ipv4Address: '10.20.0.7' }
    expect(problems({ type: exampleType, nics: [nic, nic] })).toEqual([
      ['nics[1].ipv4Address', 'ADDRESS_IN_USE'],
    ])
  })
})
