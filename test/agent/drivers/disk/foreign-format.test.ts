import { expect, it } from 'vitest'
import { parseForeignFormat } from '../../../../agent/drivers/disk/foreign-format.ts'
import { qcow2Header } from './image-bytes.ts'

it.each([
  ['qcow2', qcow2Header({})],
  ['vmdk', Buffer.from('# Disk DescriptorFile\nversion=1\n')],
  ['vdi', Buffer.concat([Buffer.alloc(0x40), Buffer.from([0x7f, 0x10, 0xda, 0xbe])])],
  ['luks', Buffer.from('LUKS\xba\xbe\0\x02', 'latin1')],
  ['xz', Buffer.from('\xfd7zXZ\0', 'latin1')],
])('knows %s', (format, bytes) => {
  expect(parseForeignFormat(bytes)).toBe(format)
})

it('lets a disk with a boot sector or an empty one pass', () => {
  const bootSector = Buffer.alloc(512)
  bootSector.set([0xeb, 0x63, 0x90])
  bootSector.set([0x55, 0xaa], 510)
  expect(parseForeignFormat(bootSector)).toBeUndefined()
  expect(parseForeignFormat(new Uint8Array(512))).toBeUndefined()
  expect(parseForeignFormat(new Uint8Array())).toBeUndefined()
})
