// What the kernel's text about a PCI function means. Pure.
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { PciBarSchema, PciLinkSchema } from '../../proto/gen/berth/agent/v1/host_pb.ts'

const addressPattern = /[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]/g

/** Bits of the kernel's resource flags. */
const flagIo = 0x100n
const flagMemory = 0x200n
const flagPrefetchable = 0x2000n
const flag64Bit = 0x10_0000n

/** A function has six; what follows in the file are its ROM and, of some, the windows of others. */
const barCount = 6

/** '0x10DE' → '10de' */
export function parseHex(text: string | undefined, digits: number): string | undefined {
  const hex = /^0x([0-9a-f]+)$/i.exec(text ?? '')?.[1]
  return hex?.toLowerCase().padStart(digits, '0')
}

export function parseNumaNode(text: string | undefined): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : -1
}

/** '../../../devices/pci0000:15/0000:15:01.0/0000:16:00.0' → ['0000:15:01.0'] */
export function parseBridges(deviceLink: string | undefined): string[] {
  return (deviceLink?.match(addressPattern) ?? []).slice(0, -1)
}

/** Lines of 'start end flags'. */
export function parseBars(resource: string | undefined): MessageInitShape<typeof PciBarSchema>[] {
  const lines = (resource ?? '').split('\n').slice(0, barCount)
  return lines.flatMap((line, index) => {
    const [start, end, flags] = line.trim().split(/\s+/).map(parseBits)
    if (start === undefined || end === undefined || flags === undefined) return []
    const isIo = (flags & flagIo) !== 0n
    if (!isIo && (flags & flagMemory) === 0n) return []
    return [
      {
        index,
        sizeBytes: end - start + 1n,
        is64Bit: (flags & flag64Bit) !== 0n,
        isPrefetchable: (flags & flagPrefetchable) !== 0n,
        isIo,
      },
    ]
  })
}

function parseBits(hex: string): bigint | undefined {
  return /^0x[0-9a-f]+$/i.test(hex) ? BigInt(hex) : undefined
}

export interface LinkTexts {
  readonly currentSpeed: string | undefined
  readonly maximumSpeed: string | undefined
  readonly currentWidth: string | undefined
  readonly maximumWidth: string | undefined
}

export function parseLink(texts: LinkTexts): MessageInitShape<typeof PciLinkSchema> | undefined {
  const maximumSpeed = parseSpeed(texts.maximumSpeed)
  if (maximumSpeed === '') return undefined
  return {
    maximumSpeed,
    currentSpeed: parseSpeed(texts.currentSpeed),
    currentLanes: parseLanes(texts.currentWidth),
    maximumLanes: parseLanes(texts.maximumWidth),
  }
}

const parseSpeed = (text: string | undefined) =>
  text === undefined || text.startsWith('Unknown') ? '' : text

/** The kernel says 255 where it doesn't know. */
function parseLanes(text: string | undefined): number {
  const lanes = Number(text ?? 0)
  return Number.isInteger(lanes) && lanes < 255 ? lanes : 0
}
