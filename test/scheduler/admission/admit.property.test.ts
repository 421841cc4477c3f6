import fc from 'fast-check'
import { Value } from 'typebox/value'
import { describe, expect, it } from 'vitest'
import { admitInstance } from '../../../scheduler/admission/admit.ts'
import {
  type DiskRequest,
  InstanceRequest,
  type NicRequest,
} from '../../../scheduler/admission/instance-request.ts'
import { reasons } from '../../../scheduler/errors.ts'
import { exampleContext, exampleImage, exampleKey, exampleType } from './context.ts'

const context = exampleContext()
const sometimes = <T>(arbitrary: fc.Arbitrary<T>, likely: readonly T[]) =>
  fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...likely) }, { weight: 1, arbitrary })
const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const reference = (likely: readonly string[]) => sometimes(fc.string({ minLength: 1, maxLength: 40 }), likely)
const part = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(fields, { requiredKeys: [] })

const request = fc.record(
  {
    type: reference([exampleType, 'g1-xlarge', 'g1-small', 'a1-h100-8', 'custom-2-1024', 'c1-blank']),
    id: fc.constantFrom('a', 'instance-1'),
    labels: fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true }),
    instanceMetadata: fc.array(
      fc.record({
        key: sometimes(text, ['ssh-keys', 'user-data', 'user-data-encoding']),
        value: sometimes(text, ['base64', `admin:${exampleKey}`, 'admin:ssh-rsa', ':', 'YQ==']),
      }),
      { maxLength: 3 },
    ),
    hostname: sometimes(fc.string({ minLength: 1 }), ['a.b', 'host']),
    disks: fc.array(
      part({
        sizeGb: fc.integer({ min: 1, max: 40 }),
        source: reference([exampleImage, 'ubuntu-24.04-20260202-3']),
        boot: fc.boolean(),
        mode: fc.constantFrom('READ_WRITE', 'READ_ONLY'),
        interface: fc.constantFrom('SCSI', 'VIRTIO', 'NVME'),
      }),
      { maxLength: 3 },
    ),
    nics: fc.array(
      part({
        network: reference(['default', 'network-g7h8i9']),
        subnet: reference(['default', 'subnet-a1b2c3']),
        ipv4Address: sometimes(text, ['10.20.0.7', '10.20.0.1', '10.30.0.15', '::1']),
        ipv6Address: fc.constant('fe80::1'),
        vlan: fc.constantFrom(1, 123),
      }),
      { maxLength: 3 },
    ),
    gpus: fc.array(
      fc.record({ type: reference(['nvidia-h100-80gb']), count: fc.integer({ min: 1, max: 10 }) }),
      { maxLength: 2 },
    ),
  },
  { requiredKeys: ['type'] },
)

/** Parts that fit together: drawn at random alone, hardly any request would be admitted. */
const plausible = fc.record(
  {
    type: fc.constantFrom(exampleType, 'g1-small'),
    id: fc.constant('instance-1'),
    hostname: fc.constant('a.b'),
    disks: fc.constantFrom<DiskRequest[]>(
      [],
      [{ source: exampleImage }],
      [{ source: exampleImage, boot: true }, { sizeGb: 5 }],
    ),
    nics: fc.constantFrom<NicRequest[]>([], [{ network: 'default' }], [{}, { ipv4Address: '10.20.0.7' }]),
  },
  { requiredKeys: ['type'] },
)
const someRequest = fc.oneof({ weight: 3, arbitrary: request }, { weight: 1, arbitrary: plausible })

const fields = Object.keys(InstanceRequest.properties)

describe('admission', () => {
  it('answers every request of the right shape: whole, or with problems that name their fields', () => {
    const kinds = new Set<string>()
    fc.assert(
      fc.property(someRequest, (body) => {
        expect(Value.Check(InstanceRequest, body)).toBe(true)
        const admission = admitInstance(body, context)
        kinds.add(admission.kind)
        if (admission.kind === 'admitted') {
          expect(admission.details.disks.filter((disk) => disk.boot)).toHaveLength(1)
          expect(admission.addresses).toHaveLength(admission.details.nics.length)
          expect(admission.spec.disks).toHaveLength(admission.details.disks.length)
          return
        }
        for (const { field = '', reason, message } of admission.problems) {
          expect(fields).toContain(/^[A-Za-z0-9]+/.exec(field)?.[0])
          expect(reasons).toContain(reason)
          expect(message).toMatch(/\.$/)
          expect(message).not.toMatch(/undefined|NaN|\[object/)
        }
      }),
      { numRuns: 500 },
    )
    // Both ends are reached, or the property says little.
    expect([...kinds].sort()).toEqual(['admitted', 'refused'])
  })

  it('is a function of its arguments', () => {
    fc.assert(
      fc.property(someRequest, (body) => {
        expect(admitInstance(body, context)).toEqual(admitInstance(structuredClone(body), context))
      }),
      { numRuns: 100 },
    )
  })
})
