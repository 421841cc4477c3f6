// Serial port 1 of a guest: a ring in QEMU's memory while nobody looks, a socket of the agent's while there is a console.
// In: one guest's monitor. Out: what the guest has written, each byte by the one or by the other. An agent that is killed
// leaves a socket without another end: QEMU drops what the guest writes then, until the ring is given back.
import type { Clock } from '../../../lib/clock.ts'
import type { Sockets } from '../../host/ports.ts'
import { serialRingBackend, serialSocketBackend } from '../../plan/qemu-args.ts'
import type { Monitors } from './monitors.ts'
import { type HypervisorDriver, HypervisorError, type OpenSerial } from './port.ts'
import { type QmpClient, type QmpCommand, QmpError } from './qmp-client.ts'

const device = 'serial0'
const acceptTimeoutMs = 5000

export function createSerialPort({
  monitors,
  sockets,
  clock,
}: {
  monitors: Monitors
  sockets: Sockets
  clock: Clock
}): Pick<HypervisorDriver, 'readSerial' | 'openSerial' | 'closeSerial'> {
  return {
    readSerial: async (guest, maxBytes) => {
      const monitor = await monitors.get(guest.paths.qmpSocket)
      try {
        return await readRing(monitor, maxBytes)
      } catch (thrown) {
        if (!(thrown instanceof QmpError) || !(await giveRingBack(monitor))) throw thrown
        return new Uint8Array()
      }
    },
    openSerial: async (guest, { socketPath, maxBytes }): Promise<OpenSerial> => {
      const monitor = await monitors.get(guest.paths.qmpSocket)
      const listening = await sockets.listenOnce(socketPath)
      try {
        // What the guest writes between the two is in the ring that goes. Of a socket nothing is left to be read.
        const [reading, changing] = monitor.executeTogether([
          ringReading(maxBytes),
          { command: 'chardev-change', args: { id: device, backend: serialSocketBackend(socketPath) } },
        ])
        const [unread] = await Promise.all([reading?.then(bytesOf).catch(emptyIfRefused), changing])
        // QEMU has connected before it answers.
        const socket = await within(acceptTimeoutMs, listening.connection, clock)
        if (socket !== undefined) return { unread: unread ?? new Uint8Array(), socket }
        throw new HypervisorError('UNRESPONSIVE', 'QEMU did not come to the socket of its console.')
      } finally {
        listening.close()
      }
    },
    closeSerial: async (guest) => {
      await giveRingBack(await monitors.get(guest.paths.qmpSocket))
    },
  }
}

const ringReading = (maxBytes: number): QmpCommand => ({
  command: 'ringbuf-read',
  args: { device, size: maxBytes, format: 'base64' },
})

const bytesOf = (text: unknown): Uint8Array => Buffer.from(String(text), 'base64')

async function readRing(monitor: QmpClient, maxBytes: number): Promise<Uint8Array> {
  const { command, args } = ringReading(maxBytes)
  return bytesOf(await monitor.execute(command, args))
}

/** false where there is a ring already. */
async function giveRingBack(monitor: QmpClient): Promise<boolean> {
  const backends = (await monitor.execute('query-chardev')) as readonly { label: string; filename: string }[]
  if (backends.find(({ label }) => label === device)?.filename === 'ringbuf') return false
  await monitor.execute('chardev-change', { id: device, backend: serialRingBackend })
  return true
}

function emptyIfRefused(thrown: unknown): Uint8Array {
  if (thrown instanceof QmpError) return new Uint8Array()
  throw thrown
}

/** undefined once the time is over. */
function within<Value>(timeoutMs: number, promise: Promise<Value>, clock: Clock): Promise<Value | undefined> {
  return new Promise((resolve) => {
    const cancel = clock.after(timeoutMs, () => resolve(undefined))
    void promise.then((value) => {
      cancel()
      resolve(value)
    })
  })
}
