// The real libvirt takes each domain that is written down, and makes of it the QEMU that the agent would start itself.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { renderDomain } from '../../../agent/plan/domain-xml.ts'
import { domainName } from '../../../agent/plan/names.ts'
import { renderQemuArgs } from '../../../agent/plan/qemu-args.ts'
import { startLibvirt } from '../../support/libvirt.ts'
import { describeNeeding } from '../../support/needs.ts'
import { program } from '../drivers/network/guest-namespace.ts'
import { domainPlanOf, writtenDomains } from './domain-machines.ts'

const needs = { root: true, programs: ['libvirtd', 'virtlogd', 'virsh', 'qemu-system-x86_64'] }
const virsh = (...words: readonly string[]) => program('virsh', ['-q', '-c', 'qemu:///system', ...words])

describeNeeding(needs, 'libvirt', () => {
  let folder: string
  let stop: () => Promise<void>

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'berth-domains-'))
    stop = await startLibvirt()
  })

  afterAll(async () => {
    await stop()
    rmSync(folder, { recursive: true })
  })

  it.each(writtenDomains)('takes the domain $name', (written) => {
    const plan = domainPlanOf(written, 'tcg')
    const path = join(folder, 'domain.xml')
    // Of its own: others may be defined.
    writeFileSync(path, renderDomain(plan))
    virsh('define', '--validate', path)
    virsh('undefine', '--keep-nvram', domainName(plan.machine.spec.uid))
  })

  // This machine has one NUMA cell: libvirt makes no command line for more.
  it.each(writtenDomains.filter(({ name }) => !/hgx-8|hgx-4-kvm/.test(name)))(
    'makes the same machine of $name as the agent',
    (written) => {
      const { machine, ...plan } = domainPlanOf(written, 'tcg')
      const path = join(folder, 'domain.xml')
      writeFileSync(path, renderDomain({ machine, ...plan }))
      const theirs = virsh('domxml-to-native', 'qemu-argv', path)
      const ours = renderQemuArgs(machine)
      expect(devicesOfTheirs(theirs)).toEqual(devicesOfOurs(ours))
      for (const flag of ['-uuid', '-cpu', '-numa']) {
        expect(valuesOf(wordsOf(theirs), flag), flag).toEqual(
          valuesOf(ours, flag).map((value) => value.replaceAll('memdev=cell', 'memdev=ram-node')),
        )
      }
    },
  )
})

/** Where each device of the guest's PCI buses sits, by the places of the ports above it. */
type Places = readonly string[]

interface Device {
  readonly driver: string
  readonly id: string
  readonly bus: string
  readonly addr: string
  readonly more: string
}

const placesOf = (devices: readonly Device[]): Places => {
  const placeOf = ({ bus, addr }: Device): string => {
    const parent = devices.find(({ id }) => id === bus)
    return `${parent ? `${placeOf(parent)}/` : ''}${Number(addr)}`
  }
  return devices
    .filter(({ bus }) => bus !== '')
    .map((device) => `${device.driver} at ${placeOf(device)}${device.more}`)
    .toSorted()
}

/** What of a device its guest can tell, and libvirt says to domxml-to-native: of NICs that is little. */
const told = ['chassis', 'slot', 'bus_nr', 'numa_node', 'serial', 'bootindex', 'host', 'mac', 'scsi-id']

function deviceOf(driver: string, options: Readonly<Record<string, unknown>>): Device {
  const more = told.filter((key) => options[key] !== undefined).map((key) => ` ${key}=${options[key]}`)
  const [id, bus, addr] = ['id', 'bus', 'addr'].map((key) => String(options[key] ?? ''))
  return {
    driver,
    id: id ?? '',
    bus: bus ?? '',
    addr: addr === '' ? '0' : (addr ?? '0'),
    more: more.join(''),
  }
}

function devicesOfTheirs(commandLine: string): Places {
  const devices = valuesOf(wordsOf(commandLine), '-device').map((text) => {
    const { driver, ...options } = JSON.parse(text) as Record<string, unknown>
    return deviceOf(String(driver), options)
  })
  return placesOf(devices.filter(({ driver }) => driver !== 'isa-serial'))
}

function devicesOfOurs(args: readonly string[]): Places {
  let scsiDisks = 0
  return placesOf(
    valuesOf(args, '-device').map((text) => {
      const [driver = '', ...pairs] = text.split(',')
      const options = Object.fromEntries(pairs.map((pair) => pair.split('=')))
      // QEMU counts them itself.
      if (driver === 'scsi-hd') options['scsi-id'] = scsiDisks++
      return deviceOf(driver, options)
    }),
  )
}

const valuesOf = (args: readonly string[], flag: string) =>
  args.filter((_, index) => args[index - 1] === flag).map(String)

/** As the shell that the line is for would read it; none of the words has a quote in it. */
const wordsOf = (commandLine: string): readonly string[] =>
  [...commandLine.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
