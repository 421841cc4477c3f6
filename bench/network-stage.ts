// How long until a guest's cloud-init is through with its network stage? node bench/network-stage.ts [--debian 12] [--turns 3]
//
// Boots one image with its metadata from the service, and from a disk that it finds in its machine; turns are mixed, and
// what counts is the guest's own clock since its kernel began. Whatever takes longer with the service is what the service
// costs, its network included: DHCP comes before the stage in both.
import { parseArgs } from 'node:util'
import { guestNeeds } from '../test/e2e/guest-needs.ts'
import { debianImage } from '../test/e2e/images.ts'
import {
  createInstance,
  deleteInstance,
  readSerial,
  waitForSerial,
  waitForStatus,
} from '../test/e2e/instances.ts'
import { openRegion, type Region } from '../test/e2e/region.ts'
import { missingOf } from '../test/support/needs.ts'
import { median, say } from './figures.ts'

const { values } = parseArgs({
  options: { debian: { type: 'string', default: '12' }, turns: { type: 'string', default: '3' } },
})
const version = values.debian === '13' ? 13 : 12
const ways = ['service', 'disk'] as const

const missing = missingOf({
  ...guestNeeds,
  programs: [...(guestNeeds.programs ?? []), 'mmdebstrap', 'mke2fs'],
})
if (missing === undefined) await main()
else process.stderr.write(`The benchmark of the network stage needs ${missing}.\n`)

interface Boot {
  /** Seconds after the kernel began. */
  readonly begins: number
  readonly ends: number
}

async function main(): Promise<void> {
  const boots: Record<(typeof ways)[number], Boot[]> = { service: [], disk: [] }
  const images = [
    await debianImage({ id: 'service' }, version),
    await debianImage({ id: 'disk', seedDisk: true }, version),
  ]
  const region = await openRegion(images)
  try {
    await region.startScheduler()
    await region.startAgent()
    for (let turn = 0; turn < Number(values.turns); turn += 1) {
      for (const way of ways) boots[way].push(await boot(region, way, `${way}-${turn}`))
    }
  } finally {
    await region.close()
  }
  for (const what of ['begins', 'ends'] as const) {
    const [service, disk] = ways.map((way) => median(boots[way].map((one) => one[what]))) as [number, number]
    say(
      `Debian ${version}: the network stage ${what}`,
      `${service.toFixed(1)} s = ${(service / disk).toFixed(2)} x ${disk.toFixed(1)} s with a disk (goal 1.1)`,
    )
  }
}

async function boot(region: Region, source: string, id: string): Promise<Boot> {
  await createInstance(region, { id, type: 'g1-medium', disks: [{ boot: true, sizeGb: 3, source }] })
  await waitForStatus(region, id, 'RUNNING')
  // The stage after it: its own first line is the end of this one.
  await waitForSerial(region, id, "running 'modules:config'")
  const serial = await readSerial(region, id)
  await deleteInstance(region, id)
  return { begins: upAt(serial, 'init'), ends: upAt(serial, 'modules:config') }
}

function upAt(serial: string, stage: string): number {
  const line = new RegExp(`running '${stage}' at .*Up ([0-9.]+) seconds`).exec(serial)
  if (line === null) throw new Error(`The guest does not say when '${stage}' began:\n${serial.slice(-2000)}`)
  return Number(line[1])
}
