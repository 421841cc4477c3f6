import { beforeEach, expect, it } from 'vitest'
import { FakeFiles } from '../../../agent/host/fake/fake-files.ts'
import { ensureFirmwareVariables } from '../../../agent/instance/firmware.ts'
import { uefi } from '../../../agent/plan/firmware.ts'

const path = '/var/lib/berth/instances/a/uefi-variables.fd'
const owner = { uid: 200_000, gid: 200_000 }
const bytes = (text: string) => new TextEncoder().encode(text)

let files: FakeFiles

beforeEach(async () => {
  files = new FakeFiles({ totalBytes: 1e9, nowMs: () => 0 })
  await files.makeDirectory('/usr/share/OVMF')
})

it('gives a guest variables of its own, once', async () => {
  files.place(uefi.code, {})
  files.place(uefi.variables, { content: bytes('empty') })
  await files.makeDirectory('/var/lib/berth/instances/a')
  await ensureFirmwareVariables({ files }, path, owner)
  expect(await files.read(path)).toEqual(bytes('empty'))
  expect(await files.stat(path)).toMatchObject({ uid: owner.uid, mode: 0o600 })
  files.place(path, { content: bytes('what the guest has set') })
  await ensureFirmwareVariables({ files }, path, owner)
  expect(await files.read(path)).toEqual(bytes('what the guest has set'))
})

it.each([[], [uefi.variables], [uefi.code]])(
  'says what is missing on a host that has only %j',
  async (...there) => {
    for (const file of there) files.place(file, {})
    await expect(ensureFirmwareVariables({ files }, path, owner)).rejects.toMatchObject({
      ...{ reason: 'START_FAILED', message: expect.stringContaining('install ovmf') },
    })
  },
)
