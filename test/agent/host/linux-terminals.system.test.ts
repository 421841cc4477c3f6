import { expect, it } from 'vitest'
import { createLinuxTerminals } from '../../../agent/host/linux-terminals.ts'
import { systemClock } from '../../../lib/clock.ts'
import { describeNeeding } from '../../support/needs.ts'

const terminals = createLinuxTerminals({ clock: systemClock })
const open = (script: string) => terminals.open('sh', ['-c', script])

describeNeeding({ programs: ['sh', 'stty', 'cat'] }, 'a program on a terminal', () => {
  it('gets bytes as they are once it takes them key by key, and gives bytes', async () => {
    const terminal = await open('echo hello; sleep 0.3; stty raw -echo; cat')
    let heard = Buffer.alloc(0)
    terminal.onBytes((bytes) => {
      heard = Buffer.concat([heard, bytes])
    })
    const typed = Buffer.from([0x03, 0x0d, 0xff, 0x1a, 0x41])
    terminal.write(typed)
    await expect.poll(() => heard).toEqual(typed)
    const ended = new Promise<void>((resolve) => terminal.onEnd(resolve))
    terminal.close()
    await ended
  })

  it('says why it has ended', async () => {
    await expect(open('echo no such guest; exit 1')).rejects.toThrow('sh ended: no such guest')
    const terminal = await open('stty raw; sleep 0.1')
    await new Promise<void>((resolve) => terminal.onEnd(resolve))
  })
})
