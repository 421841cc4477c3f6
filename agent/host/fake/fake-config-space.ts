import type { FakePciDevice } from './shape.ts'

const windowStart = 0xf000_0000
const windowBytes = 16 * 1024 ** 2
const headerBytes = 64

/** The first bytes of a function's configuration space, with one memory window where its resource attribute says. */
export class FakeConfigSpace {
  readonly #device: FakePciDevice
  #isSilent = false

  constructor(device: FakePciDevice) {
    this.#device = device
  }

  /** The resource attribute: start, end and flags of each window, of 32-bit memory. */
  static resourcesOf(_device: FakePciDevice): string {
    const hex = (value: number) => `0x${value.toString(16).padStart(16, '0')}`
    const window = [windowStart, windowStart + windowBytes - 1, 0x4_0200].map(hex).join(' ')
    const none = [0, 0, 0].map(hex).join(' ')
    return [window, ...Array.from({ length: 6 }, () => none)].join('\n')
  }

  bytes(): Uint8Array {
    if (this.#isSilent) return new Uint8Array(headerBytes).fill(0xff)
    const view = new DataView(new ArrayBuffer(headerBytes))
    view.setUint16(0, Number.parseInt(this.#device.vendorId, 16), true)
    view.setUint16(2, Number.parseInt(this.#device.deviceId, 16), true)
    view.setUint32(0x10, windowStart, true)
    return new Uint8Array(view.buffer)
  }

  /** What has fallen off the bus does not come back by a reset. */
  reset(): void {}

  fallSilent(): void {
    this.#isSilent = true
  }
}
