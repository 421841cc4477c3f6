// The devices of a lab host as an operator sees them, and as the host itself has them.
import { type Region, regionId, waitUntil } from '../e2e/region.ts'
import type { LabHost } from './host.ts'

export interface LabDevice {
  readonly address: string
  readonly state: string
  readonly reason: string
  readonly statusMessage: string
  readonly present: boolean
  readonly claimedBy?: string
  readonly unscrubbedProject?: string
}

export const oneGpu = [{ type: 'stand-in', count: 1 }]

/** How many of them a small guest has said that it sees on its own bus. */
export const countSeen = (serial: string) => serial.match(/0x1234:0x1111/g)?.length ?? 0

const pathOf = (host: LabHost) => `/v1/regions/${regionId}/hosts/${host.name}/devices`

export async function readDevices(region: Region, host: LabHost): Promise<readonly LabDevice[]> {
  const { body } = await region.call<{ devices: readonly LabDevice[] }>('GET', pathOf(host))
  return body.devices
}

export async function readDevice(region: Region, host: LabHost, address: string): Promise<LabDevice> {
  return (await region.call<LabDevice>('GET', `${pathOf(host)}/${address}`)).body
}

export async function sayOfDevice(
  region: Region,
  host: LabHost,
  address: string,
  verb: 'release' | 'quarantine' | 'reset',
): Promise<void> {
  const { status, body } = await region.call('POST', `${pathOf(host)}/${address}:${verb}`)
  if (status !== 202) throw new Error(`:${verb} of ${address}: ${status} ${JSON.stringify(body)}`)
}

export async function waitForState(
  region: Region,
  host: LabHost,
  address: string,
  state: string,
): Promise<LabDevice> {
  let last: LabDevice | undefined
  try {
    await waitUntil(`${address} is ${state}`, async () => {
      last = await readDevice(region, host, address)
      return last.state === state
    })
  } catch (cause) {
    throw new Error(`It is ${JSON.stringify(last)}.`, { cause })
  }
  if (last === undefined) throw new Error('never asked')
  return last
}

/** '' for none. */
export async function driverOf(host: LabHost, address: string): Promise<string> {
  const at = `/sys/bus/pci/devices/${address}/driver`
  const { stdout } = await host.exec(`test -e ${at} && basename $(readlink ${at})`, { mayFail: true })
  return stdout.trim()
}

/** Which device an instance has been given. */
export async function deviceOf(region: Region, host: LabHost, instanceUid: string): Promise<string> {
  const given = (await readDevices(region, host)).find(({ claimedBy }) => claimedBy === instanceUid)
  if (given === undefined) throw new Error(`Instance ${instanceUid} has no device.`)
  return given.address
}
