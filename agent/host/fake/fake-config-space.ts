const headerBytes = 64
const is64Bit = 0x10_0000n

/** The first bytes of a function's configuration space, with its memory windows where its resource attribute says. */
export class FakeConfigSpace {
  readonly #device: { readonly vendorId: string; readonly deviceId: string; readonly resource: string }
  #isSilent = false

  constructor(device: { readonly vendorId: string; readonly deviceId: string; readonly resource: string }) {
    this.#device = device
  }

  bytes(): Uint8Array {
    if (this.#isSilent) return new Uint8Array(headerBytes).fill(0xff)
    const { vendorId, deviceId, resource } = this.#device
    const view = new DataView(new ArrayBuffer(headerBytes))
    view.setUint16(0, Number.parseInt(vendorId, 16), true)
    view.setUint16(2, Number.parseInt(deviceId, 16), true)
    for (const [index, line] of resource.split('\n').slice(0, 6).entries()) {
      const [start = 0n, , flags = 0n] = line.split(' ').map(BigInt)
      if (start === 0n) continue
      // The lowest bits say what kind of memory it is.
      view.setUint32(0x10 + 4 * index, Number(start & 0xffff_ffffn) | (flags & is64Bit ? 0xc : 0), true)
      if (flags & is64Bit) view.setUint32(0x14 + 4 * index, Number(start >> 32n), true)
    }
    return new Uint8Array(view.buffer)
  }

  fallSilent(): void {
    this.#isSilent = true
  }
}
