// Reads the first bytes of a qcow2 file and says whether QEMU may be let near it. Pure: bytes in, verdict out.
// It never throws, whatever the bytes; everything that would make QEMU open another file is refused here.

export type Qcow2Verdict =
  | { readonly kind: 'accepted'; readonly virtualBytes: number }
  /** The rest of a sentence that starts with the image's name. */
  | { readonly kind: 'refused'; readonly because: string }

/** More than any header that is accepted. */
export const qcow2HeaderBytes = 512

const maxVirtualBytes = 16 * 1024 ** 4

// Compression type and extended L2 entries change how data lies in this one file; all else is refused.
const acceptedIncompatibleFeatures = 0b11000n
const externalDataFile = 0b100n
const notClosedCleanly = 0b011n

const refused = (because: string): Qcow2Verdict => ({ kind: 'refused', because })

export function parseQcow2Header(bytes: Uint8Array, fileBytes: number): Qcow2Verdict {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 72 || view.getUint32(0) !== 0x514649fb) return refused('is not a qcow2 file')
  const version = view.getUint32(4)
  if (version !== 2 && version !== 3) return refused(`has qcow2 version ${version}; 2 and 3 are read`)
  if (view.getBigUint64(8) !== 0n || view.getUint32(16) !== 0) {
    return refused('refers to a backing file: flatten it with qemu-img convert')
  }
  if (view.getUint32(32) !== 0) return refused('is encrypted: convert it to a plain qcow2')
  if (view.getUint32(60) !== 0) return refused('holds internal snapshots: flatten it with qemu-img convert')
  if (version === 3) {
    if (bytes.length < 104) return refused('ends within its header')
    const features = view.getBigUint64(72)
    if ((features & externalDataFile) !== 0n) {
      return refused('keeps its data in another file: flatten it with qemu-img convert')
    }
    if ((features & notClosedCleanly) !== 0n)
      return refused('was not closed cleanly: repair it with qemu-img check -r all')
    if ((features & ~acceptedIncompatibleFeatures) !== 0n)
      return refused('needs qcow2 features that are not known')
  }
  const clusterBits = view.getUint32(20)
  if (clusterBits < 9 || clusterBits > 21) return refused('has a cluster size that qcow2 does not allow')
  // QEMU reads zeros behind the end of a file: a download that was cut short before it was registered would go unseen.
  const l1TableEnd = view.getBigUint64(40) + 8n * BigInt(view.getUint32(36))
  if (l1TableEnd > BigInt(fileBytes)) return refused('ends before its tables: publish the whole file')
  return judgeVirtualBytes(view.getBigUint64(24))
}

function judgeVirtualBytes(virtualBytes: bigint): Qcow2Verdict {
  if (virtualBytes === 0n) return refused('holds a disk of no size')
  if (virtualBytes > maxVirtualBytes) return refused('claims to hold a disk of more than 16 TiB')
  return { kind: 'accepted', virtualBytes: Number(virtualBytes) }
}

/** The size of a guest's own disk, which may well refer to its image. undefined where it is no qcow2. */
export function parseVirtualBytes(bytes: Uint8Array): number | undefined {
  if (bytes.length < 32) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return view.getUint32(0) === 0x514649fb ? Number(view.getBigUint64(24)) : undefined
}
