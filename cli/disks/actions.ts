// What each command about disks does once its flags are read: asks the API, waits for the host, prints one line.
import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { createClient } from '../client/client.ts'
import { type Instance, shortName } from '../client/resources.ts'
import { type ContextFlags, resolveContext } from '../context/context.ts'
import { waitForOperation } from '../instances/wait.ts'

interface WaitFlags {
  readonly wait: boolean
  readonly timeout: number
}
interface AttachFlags {
  readonly deviceName?: string
  readonly interface?: string
  readonly readOnly?: true
}

const clock = systemClock
const random = systemRandom
const clientOf = (flags: ContextFlags) => createClient({ context: resolveContext(flags), clock, random })
const say = (line: string) => process.stdout.write(`${line}\n`)

export async function resizeAction(
  id: string,
  flags: ContextFlags & WaitFlags & { sizeGb: number },
): Promise<void> {
  const client = clientOf(flags)
  const { sizeGb } = flags
  const disk = await client.updateDisk({ id, patch: { sizeGb }, idempotencyKey: random.uuid() })
  const [user] = disk.users
  if (user !== undefined) await settle(await client.getInstance(shortName(user)), flags)
  say(`Disk ${disk.id} has ${disk.sizeGb} GB`)
}

export async function attachAction(
  id: string,
  disk: string,
  flags: ContextFlags & WaitFlags & AttachFlags,
): Promise<void> {
  const body = {
    source: disk,
    ...(flags.deviceName === undefined ? {} : { deviceName: flags.deviceName }),
    ...(flags.interface === undefined ? {} : { interface: flags.interface }),
    ...(flags.readOnly ? { mode: 'READ_ONLY' } : {}),
  }
  const request = { id, verb: 'attachDisk', body, idempotencyKey: random.uuid() } as const
  const instance = await settle(await clientOf(flags).changeInstance(request), flags)
  const device = instance.disks.find(
    ({ source }) => source !== undefined && shortName(source) === shortName(disk),
  )
  say(`${instance.id} has ${shortName(disk)} as ${device?.deviceName ?? flags.deviceName}`)
}

export async function detachAction(
  id: string,
  deviceName: string,
  flags: ContextFlags & WaitFlags,
): Promise<void> {
  const request = { id, verb: 'detachDisk', body: { deviceName }, idempotencyKey: random.uuid() } as const
  const instance = await settle(await clientOf(flags).changeInstance(request), flags)
  say(`${instance.id} ${flags.wait ? 'has let go' : 'is to let go'} of ${deviceName}`)
}

/** An operation that ended badly is an error with its own words. */
async function settle(instance: Instance, flags: ContextFlags & WaitFlags): Promise<Instance> {
  if (!flags.wait) return instance
  const timeoutMs = flags.timeout * 1000
  return waitForOperation(instance, { client: clientOf(flags), clock, random, timeoutMs, onChange: () => {} })
}
