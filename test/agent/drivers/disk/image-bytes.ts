/** The first 512 bytes of a qcow2 file, plain unless said otherwise. */
export function qcow2Header(fields: {
  version?: number
  backingOffset?: bigint
  backingLength?: number
  clusterBits?: number
  virtualBytes?: bigint
  cryptMethod?: number
  snapshots?: number
  l1TableOffset?: bigint
  incompatible?: bigint
}): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(512)
  const view = new DataView(bytes.buffer)
  const version = fields.version ?? 3
  view.setUint32(0, 0x514649fb)
  view.setUint32(4, version)
  view.setBigUint64(8, fields.backingOffset ?? 0n)
  view.setUint32(16, fields.backingLength ?? 0)
  view.setUint32(20, fields.clusterBits ?? 16)
  view.setBigUint64(24, fields.virtualBytes ?? 1024n ** 3n)
  view.setUint32(32, fields.cryptMethod ?? 0)
  if (fields.l1TableOffset !== undefined) {
    view.setUint32(36, 1)
    view.setBigUint64(40, fields.l1TableOffset)
  }
  view.setUint32(60, fields.snapshots ?? 0)
  if (version === 3) {
    view.setBigUint64(72, fields.incompatible ?? 0n)
    view.setUint32(96, 4)
    view.setUint32(100, 104)
  }
  return bytes
}
