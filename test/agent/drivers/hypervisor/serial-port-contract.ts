// Serial port 1 of a real guest: given to a console and taken back, under a guest that writes all the time.
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { GuestHandle, OpenSerial } from '../../../../agent/drivers/hypervisor/port.ts'
import { systemClock } from '../../../../lib/clock.ts'
import { smallGuestCommandLine, smallGuestReady } from '../../../guest/small-guest.ts'
import { describeNeeding } from '../../../support/needs.ts'
import { specOf } from './guest-specs.ts'
import type { DriverUnderTest, Extent, TestAgent } from './real-drivers.ts'
import { RealGuest } from './real-guest.ts'

const maxBytes = 256 * 1024

export function describeSerialPort(underTest: DriverUnderTest, extent: Extent): void {
  describeNeeding(underTest.needs, `the serial port of a guest of ${underTest.name}`, () => {
    const spec = specOf({ vcpus: 1, memoryMib: 192 })
    let guest: RealGuest
    let agent: TestAgent
    let handle: GuestHandle
    /** All that the guest has written, as the agent would record it. */
    let recorded: string
    let connection: (OpenSerial & { over: Promise<void> }) | undefined
    let stop: () => Promise<void>

    beforeAll(async () => {
      stop = await underTest.prepare()
    })

    afterAll(() => stop())

    beforeEach(async () => {
      guest = new RealGuest(underTest, { spec, uid: 298_997 })
      agent = guest.newAgent()
      recorded = ''
      connection = undefined
      const plan = await guest.plan({ commandLine: `${smallGuestCommandLine} small-guest.shell` })
      handle = await guest.start(agent.driver, plan)
      while (!recorded.includes(smallGuestReady)) await drain()
    })

    afterEach(() => guest.remove())

    async function replaceAgent(): Promise<void> {
      await agent.end()
      agent = guest.newAgent()
    }

    async function drain(): Promise<void> {
      const bytes = await agent.driver.readSerial(handle, maxBytes)
      recorded += Buffer.from(bytes).toString('latin1')
      if (bytes.length < maxBytes) await systemClock.sleep(50)
    }

    async function open(): Promise<OpenSerial & { over: Promise<void> }> {
      const opened = await agent.driver.openSerial(handle, {
        socketPath: guest.paths.consoleSocket,
        maxBytes,
      })
      recorded += Buffer.from(opened.unread).toString('latin1')
      const over = new Promise<void>((resolve) => opened.socket.onClose(resolve))
      const now = { ...opened, over }
      opened.socket.onBytes(async (bytes) => {
        recorded += Buffer.from(bytes).toString('latin1')
      })
      connection = now
      return now
    }

    async function close(): Promise<void> {
      connection?.socket.end()
      await connection?.over
      await agent.driver.closeSerial(handle)
    }

    const type = (line: string) => connection?.socket.write(Buffer.from(`${line}\n`))

    it('takes what is typed and gives what it leads to, and what comes later is read without it', async () => {
      await open()
      await type('echo answer-$((40 + 2)); (sleep 2; echo later-$((40 + 3))) &')
      await expect.poll(() => recorded, { timeout: 60_000 }).toContain('answer-42')
      await close()
      while (!recorded.includes('later-43')) await drain()
      // Once more, over what is in the ring by then.
      await open()
      await type('echo again-$((40 + 4))')
      await expect.poll(() => recorded, { timeout: 60_000 }).toContain('again-44')
    })

    if (extent === 'smoke') return

    it('is read again after an agent that was killed with a console open', async () => {
      const { socket } = await open()
      await type('while :; do echo tick; sleep 1; done')
      await expect.poll(() => recorded, { timeout: 60_000 }).toContain('tick')
      socket.close()
      await replaceAgent()
      recorded = ''
      // QEMU itself drops what the guest writes meanwhile; the guest does not wait.
      while (!recorded.includes('tick')) await drain()
    })

    it('goes on with a guest that was held up by an agent that hung, once that is gone', async () => {
      const { socket } = await agent.driver.openSerial(handle, {
        socketPath: guest.paths.consoleSocket,
        maxBytes,
      })
      await socket.write(Buffer.from('i=0; while :; do echo line-$i; i=$((i + 1)); done\n'))
      // More than fits into a socket.
      await systemClock.sleep(15_000)
      socket.close()
      await replaceAgent()
      while (!/line-\d+/.test(recorded)) await drain()
      const [first] = /line-\d+/.exec(recorded) ?? []
      console.info(`It goes on with ${first}`)
    })

    it('goes on, and loses little, when it changes hands under a guest that writes all the time', async () => {
      await open()
      const lines = 40_000
      await type(`i=0; while [ $i -lt ${lines} ]; do echo "<$i>"; i=$((i + 1)); done; echo all-$((1 + 1))`)
      let changes = 0
      while (!recorded.includes('all-2')) {
        await systemClock.sleep(20)
        await close()
        for (let round = 0; round < 3; round += 1) await drain()
        await open()
        changes += 2
        if (changes > 200) throw new Error(`The guest stands still: ${recorded.slice(-200)}`)
      }
      const seen = new Set([...recorded.matchAll(/<(\d+)>\r\n/g)].map(([, number]) => Number(number)))
      const lost = Array.from({ length: lines }, (_, index) => index).filter(
        (index) => !seen.has(index),
      ).length
      console.info(`${changes} changes of hands, ${lost} of ${lines} lines lost`)
      expect(changes).toBeGreaterThan(4)
      expect(lost / changes).toBeLessThanOrEqual(underTest.mostLinesLost)
    })
  })
}
