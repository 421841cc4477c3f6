// What `berth hosts devices …` does once its flags are read: asks the API, waits for the host, prints a line for each device.
import { backoffMs } from '../../lib/backoff.ts'
import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { type Client, createClient, type DeviceChange } from '../client/client.ts'
import type { Device } from '../client/resources.ts'
import { type ContextFlags, resolveContext } from '../context/context.ts'
import { CliError, exitCodes } from '../exit-codes.ts'
import { forEach } from '../output/each.ts'
import { parseOutputFormat, type Rendering, renderOutput } from '../output/format.ts'
import { deviceList, oneDevice } from './device-view.ts'

type Flags = ContextFlags & { readonly output: string }

const clock = systemClock
const random = systemRandom
const clientOf = (flags: ContextFlags) => createClient({ context: resolveContext(flags), clock, random })

async function print<Value>(value: Value, flags: Flags, rendering: Rendering<Value>): Promise<void> {
  const text = await renderOutput(value, parseOutputFormat(flags.output), rendering)
  if (text !== '') process.stdout.write(`${text}\n`)
}

export async function listAction(host: string, flags: Flags): Promise<void> {
  await print(await clientOf(flags).listDevices(host), flags, deviceList)
}

export async function getAction(
  { host, device }: { readonly host: string; readonly device: string },
  flags: Flags,
): Promise<void> {
  await print(await clientOf(flags).getDevice(host, device), flags, oneDevice)
}

export async function verbAction(
  verb: DeviceChange['verb'],
  { host, ids }: { readonly host: string; readonly ids: readonly string[] },
  flags: Flags & { readonly wait: boolean; readonly timeout: number; readonly reason?: string },
): Promise<void> {
  const client = clientOf(flags)
  const { reason } = flags
  await forEach(ids, async (address) => {
    const asked = await client.changeDevice({
      ...{ host, address, verb, idempotencyKey: random.uuid() },
      ...(reason === undefined ? {} : { body: { reason } }),
    })
    if (!flags.wait) {
      process.stdout.write(`${address}: ${verb} is asked for\n`)
      return
    }
    const { state, reason: why } = await waitForEnd(asked, { client, host, timeoutMs: flags.timeout * 1000 })
    process.stdout.write(`${address} is ${state}${why === '' ? '' : ` (${why})`}\n`)
  })
}

/** Until its host has carried out what was asked; a no of the host is an error with its own words. */
async function waitForEnd(
  asked: Device,
  { client, host, timeoutMs }: { client: Pick<Client, 'getDevice'>; host: string; timeoutMs: number },
): Promise<Device> {
  const { address } = asked
  const startedMs = clock.monotonicMs()
  let device = asked
  for (let attempt = 0; device.lastCommand?.status === 'RUNNING'; attempt += 1) {
    if (clock.monotonicMs() - startedMs > timeoutMs) {
      throw new CliError(
        `Device ${address} is still ${device.state} after ${Math.round(timeoutMs / 1000)} s: its host has not carried it out.`,
        { exitCode: exitCodes.trouble, lines: [`Look again: berth hosts devices get ${host} ${address}`] },
      )
    }
    await clock.sleep(backoffMs({ attempt, minMs: 100, maxMs: 1500, random }))
    device = await client.getDevice(host, address)
  }
  const error = device.lastCommand?.error
  if (error !== undefined) {
    throw new CliError(`Device ${address}: ${error.message}`, { exitCode: exitCodes.conflict })
  }
  return device
}
