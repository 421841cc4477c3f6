import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { removeSeedDisk, writeSeedDisk } from '../../../../agent/drivers/disk/seed-disk.ts'
import { renderNoCloud } from '../../../../agent/plan/cloud-init.ts'
import { describeNeeding } from '../../../support/needs.ts'
import { exec, files } from '../../../support/this-host.ts'
import { specOf } from '../hypervisor/guest-specs.ts'

// Read back with a program that knows nothing of QEMU.
describeNeeding(
  { root: true, programs: ['qemu-img', 'mcopy', 'mlabel'] },
  "the disk with a guest's metadata",
  () => {
    const owner = { uid: 400_002, gid: 400_002 }
    let folder: string
    let path: string

    const readBack = (name: string) => execFileSync('mcopy', ['-n', '-i', path, `::${name}`, '-']).toString()
    const write = (texts: Readonly<Record<string, string>>) =>
      writeSeedDisk({ exec, files, disk: { path, files: texts, owner } })

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'berth-seed-'))
      chmodSync(folder, 0o711)
      // A comma splits QEMU's options.
      mkdirSync(join(folder, 'a,b'))
      path = join(folder, 'a,b', 'seed.img')
    })

    afterEach(() => rmSync(folder, { recursive: true }))

    it('has the label and the files that cloud-init looks for, byte for byte', async () => {
      const userData = `#cloud-config\n# Grüße\n${'x'.repeat(256 * 1024 - 100)}\n`
      const metadata = [
        { key: 'user-data', value: userData },
        { key: 'startup-script', value: '#!/bin/sh\n'.repeat(20_000) },
      ]
      const documents = { ...renderNoCloud(specOf({ metadata }), 0) }
      await write(documents)
      for (const [name, text] of Object.entries(documents)) expect(readBack(name)).toBe(text)
      expect(readBack('user-data')).toBe(userData)
      expect(execFileSync('mlabel', ['-s', '-i', path]).toString()).toMatch(/Volume label is cidata\b/)
    })

    it("is the guest's own, and all that is left of its making", async () => {
      await write({ 'meta-data': 'a', 'user-data': '' })
      const { uid, gid, mode } = statSync(path)
      expect({ uid, gid, mode: mode & 0o777 }).toEqual({ ...owner, mode: 0o400 })
      expect(readdirSync(join(folder, 'a,b'))).toEqual(['seed.img'])
      await removeSeedDisk(files, path)
      expect(readdirSync(join(folder, 'a,b'))).toEqual([])
    })

    it('is written anew, and stays as large as it was', async () => {
      await write({ 'meta-data': 'before', 'user-data': 'gone' })
      const { size } = statSync(path)
      await write({ 'meta-data': 'x'.repeat(100_000) })
      expect(readBack('meta-data')).toBe('x'.repeat(100_000))
      expect(statSync(path).size).toBe(size)
      expect(() => readBack('user-data')).toThrow()
    })

    it('takes as much as it says that it holds, and refuses more', async () => {
      const most = 1_400_000 / 2
      await write({ 'user-data': 'u'.repeat(most), 'vendor-data': 'v'.repeat(most) })
      expect(readBack('vendor-data')).toBe('v'.repeat(most))
      const before = readFileSync(path)
      await expect(write({ 'user-data': 'u'.repeat(2 * most + 1) })).rejects.toMatchObject({
        reason: 'METADATA_TOO_LARGE',
      })
      expect(readFileSync(path).equals(before)).toBe(true)
    })
  },
)
