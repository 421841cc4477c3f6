// Knows other formats by their first bytes, so that a file registered as raw is not one of them by mistake or
// by design. Pure.

export const foreignFormatBytes = 512

interface Signature {
  readonly format: string
  readonly atByte: number
  readonly bytes: readonly number[] | string
}

const signatures: readonly Signature[] = [
  { format: 'qcow2', atByte: 0, bytes: 'QFI\xfb' },
  { format: 'qed', atByte: 0, bytes: 'QED\0' },
  { format: 'vmdk', atByte: 0, bytes: 'KDMV' },
  { format: 'vmdk', atByte: 0, bytes: 'COWD' },
  { format: 'vmdk', atByte: 0, bytes: '# Disk DescriptorFile' },
  { format: 'vdi', atByte: 0x40, bytes: [0x7f, 0x10, 0xda, 0xbe] },
  { format: 'vhdx', atByte: 0, bytes: 'vhdxfile' },
  { format: 'vhd', atByte: 0, bytes: 'conectix' },
  { format: 'parallels', atByte: 0, bytes: 'WithoutFreeSpace' },
  { format: 'parallels', atByte: 0, bytes: 'WithouFreSpacExt' },
  { format: 'luks', atByte: 0, bytes: 'LUKS\xba\xbe' },
  { format: 'gzip', atByte: 0, bytes: [0x1f, 0x8b, 0x08] },
  { format: 'xz', atByte: 0, bytes: '\xfd7zXZ\0' },
  { format: 'zstd', atByte: 0, bytes: [0x28, 0xb5, 0x2f, 0xfd] },
  { format: 'bzip2', atByte: 0, bytes: 'BZh' },
]

/** undefined where the file starts like none of them. */
export function parseForeignFormat(head: Uint8Array): string | undefined {
  return signatures.find((signature) => matches(head, signature))?.format
}

function matches(head: Uint8Array, { atByte, bytes }: Signature): boolean {
  const expected = typeof bytes === 'string' ? [...bytes].map((letter) => letter.charCodeAt(0)) : bytes
  return expected.every((byte, index) => head[atByte + index] === byte)
}
