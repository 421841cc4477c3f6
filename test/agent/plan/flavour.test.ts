import { describe, expect, it } from 'vitest'
import { flavourOf, systemFacts } from '../../../agent/plan/flavour.ts'
import { MetadataFlavour } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { specOf } from '../drivers/hypervisor/guest-specs.ts'

const factsOf = (metadataFlavour: MetadataFlavour, seedDisk = false) => {
  const spec = specOf({ disks: [{ boot: true, image: { metadataFlavour, seedDisk } }] })
  return { uid: spec.uid, flavour: flavourOf(spec), facts: systemFacts(spec) }
}

describe('what the firmware says of the machine', () => {
  it("is NoCloud's address where nothing else is asked for", () => {
    for (const flavour of [MetadataFlavour.UNSPECIFIED, MetadataFlavour.NOCLOUD]) {
      expect(factsOf(flavour)).toMatchObject({
        flavour: 'NOCLOUD',
        facts: { serial: 'ds=nocloud-net;s=http://169.254.169.254/' },
      })
    }
    expect(flavourOf(specOf({}))).toBe('NOCLOUD')
  })

  it('names no address that cloud-init would go by instead of its disk', () => {
    const { uid, facts } = factsOf(MetadataFlavour.NOCLOUD, true)
    expect(facts).toMatchObject({ product: 'Berth Instance', serial: uid })
  })

  it("is Google's product", () => {
    const { facts } = factsOf(MetadataFlavour.GCE)
    expect(facts).toMatchObject({ manufacturer: 'Google', product: 'Google Compute Engine' })
    expect(facts.serial).toMatch(/^GoogleCloud-[0-9A-F]{32}$/)
  })

  it("is a UUID as Amazon's, in serial and UUID", () => {
    const { uid, facts } = factsOf(MetadataFlavour.EC2)
    expect(facts.uuid).toBe(`ec2${uid.slice(3)}`)
    expect(facts.serial).toBe(facts.uuid)
  })

  it("is OpenStack's product, and the instance's own UUID", () => {
    const { uid, facts } = factsOf(MetadataFlavour.OPENSTACK)
    expect(facts).toMatchObject({ product: 'OpenStack Nova', uuid: uid })
  })
})
