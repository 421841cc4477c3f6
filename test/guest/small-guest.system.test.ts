import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { describeNeeding } from '../support/needs.ts'
import { ensureSmallGuest, type SmallGuest, smallGuestCommandLine, smallGuestReady } from './small-guest.ts'

const needs = { programs: ['qemu-system-x86_64', 'apt-get', 'dpkg-deb', 'busybox'] }

describeNeeding(needs, 'the small guest', () => {
  let folder: string
  let guest: SmallGuest
  let stop: (() => void)[]

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'berth-small-guest-'))
    guest = await ensureSmallGuest()
    stop = [() => rmSync(folder, { recursive: true })]
  })

  afterEach(() => {
    for (const each of stop.reverse()) each()
  })

  function boot(args: readonly string[]) {
    const log = join(folder, 'serial')
    const machine = [
      '-M',
      'q35',
      '-accel',
      'tcg',
      '-m',
      '256',
      '-display',
      'none',
      '-nodefaults',
      '-no-reboot',
    ]
    const image = ['-kernel', guest.kernelPath, '-initrd', guest.initrdPath, '-append', smallGuestCommandLine]
    const child = spawn('qemu-system-x86_64', [...machine, ...image, '-serial', `file:${log}`, ...args])
    const ended = new Promise<void>((resolve) => child.on('close', () => resolve()))
    stop.push(() => child.kill('SIGKILL'))
    const serial = () => (existsSync(log) ? readFileSync(log, 'latin1').replaceAll('\r', '') : '')
    return { ended, serial }
  }

  async function waitFor(condition: () => boolean): Promise<void> {
    while (!condition()) await sleep(100)
  }

  it('is what its manifest says, and made once', async () => {
    const hashOf = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')
    expect(hashOf(guest.kernelPath)).toBe(guest.kernelSha256)
    expect(hashOf(guest.initrdPath)).toBe(guest.initrdSha256)
    expect(hashOf(guest.diskPath)).toBe(guest.diskSha256)
    expect(await ensureSmallGuest()).toEqual(guest)
  })

  it('comes up without a NIC, says so, and powers off at the button', async () => {
    const socket = join(folder, 'qmp')
    const { ended, serial } = boot(['-qmp', `unix:${socket},server=on,wait=off`])
    await waitFor(() => serial().includes(smallGuestReady))
    expect(serial()).toContain('BERTH-GUEST-NO-NIC')
    const qmp = connect(socket)
    qmp.write('{"execute":"qmp_capabilities"}\n{"execute":"system_powerdown"}\n')
    await ended
    qmp.destroy()
  })

  it('takes an address, fetches its documents and obeys its user data', async () => {
    const documents: Record<string, string> = {
      '/meta-data': 'instance-id: i-1\nlocal-hostname: zebra\n',
      '/user-data': '#cloud-config\n# small-guest: poweroff\n',
    }
    const server = createServer((request, reply) => {
      const document = documents[request.url ?? '']
      reply.writeHead(document === undefined ? 404 : 200).end(document)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    stop.push(() => server.close())
    const { port } = server.address() as AddressInfo
    const forward = `guestfwd=tcp:10.0.2.100:80-cmd:busybox nc 127.0.0.1 ${port}`
    const { ended, serial } = boot([
      ...['-netdev', `user,id=n,restrict=on,${forward}`, '-device', 'virtio-net-pci,netdev=n,romfile='],
      ...['-smbios', 'type=1,serial=ds=nocloud-net;s=http://10.0.2.100/'],
      ...['-drive', `file=${guest.diskPath},if=virtio,format=raw,readonly=on`],
    ])
    await ended
    expect(serial()).toContain('BERTH-GUEST-BEGIN hostname\nzebra\n')
    expect(serial()).toContain('inet 10.0.2.15/24')
    expect(serial()).toContain('BERTH-GUEST-BEGIN disks\nvda 2048\n')
    expect(serial()).toContain('BERTH-GUEST-BEGIN meta-data\ninstance-id: i-1\n')
    expect(serial()).toMatch(/BERTH-GUEST-BEGIN vendor-data-failed\n.*404/)
    expect(serial()).toContain(smallGuestReady)
  })
})
