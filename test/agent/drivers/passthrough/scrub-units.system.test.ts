// The operator's program in a unit of a real systemd.
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { createUnitScrubs } from '../../../../agent/drivers/passthrough/scrub-units.ts'
import { createLinuxExec } from '../../../../agent/host/linux-exec.ts'
import type { Exec } from '../../../../agent/host/ports.ts'
import { systemClock } from '../../../../lib/clock.ts'
import { pciAddress } from '../../../../proto/ids.ts'
import { describeNeeding } from '../../../support/needs.ts'
import { type OwnSystemd, startSystemd, systemdNeeds } from '../../../support/systemd.ts'

const gpu = pciAddress('0000:3b:00.0')

describeNeeding(systemdNeeds, 'the program that empties a device', () => {
  let systemd: OwnSystemd
  let directory: string
  let ends: (() => Promise<void>)[]

  beforeAll(async () => {
    systemd = await startSystemd()
  })
  afterAll(() => systemd.close())
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'berth-scrub-'))
    ends = []
    // It waits for a word of how to end.
    const script = `#!/bin/sh\necho "$*" >> ${directory}/calls\nread code < ${directory}/word\nexit $code\n`
    await writeFile(join(directory, 'scrub $HOME'), script, { mode: 0o755 })
    const { run } = createLinuxExec()
    await run('mkfifo', [join(directory, 'word')])
  })
  afterEach(async () => {
    for (const end of ends) await end()
    await rm(directory, { recursive: true })
  })

  /** An agent's part in this, until it ends. */
  const startAgent = () => {
    const inner = createLinuxExec()
    const exec: Exec = {
      ...inner,
      run: (file, args, options) => {
        const [enter = '', ...words] = [...systemd.prefix, file, ...args]
        return inner.run(enter, words, options)
      },
    }
    ends.push(() => inner.close())
    return {
      scrubs: createUnitScrubs({ exec, clock: systemClock, program: join(directory, 'scrub $HOME') }),
      end: () => inner.close(),
    }
  }
  const say = (code: number) => appendFile(join(directory, 'word'), `${code}\n`)
  const calls = async () => (await readFile(join(directory, 'calls'), 'utf8')).trim().split('\n')
  const untilCalled = (times: number) => expect.poll(calls).toHaveLength(times)
  /** By an agent that ends while the program runs. */
  const begin = async (sinceUnixMs: number, times: number) => {
    const { scrubs, end } = startAgent()
    const lost = expect(scrubs.scrub(gpu, sinceUnixMs)).rejects.toThrow('The agent ends')
    await untilCalled(times)
    await end()
    await lost
  }

  it('is called with the address, and leaves nothing behind', async () => {
    const { scrubs } = startAgent()
    for (const sinceUnixMs of [1, 2]) {
      const done = scrubs.scrub(gpu, sinceUnixMs)
      await say(0)
      await done
    }
    expect(await calls()).toEqual([gpu, gpu])
    const [enter = '', ...words] = [...systemd.prefix, 'systemctl', 'list-units', '--all', '--no-legend']
    const { stdout } = await createLinuxExec().run(enter, words)
    expect(stdout).not.toContain('berth')
  })

  it('goes on while the agent is away, whose successor waits for it', async () => {
    await begin(1, 1)
    const done = startAgent().scrubs.scrub(gpu, 1)
    await say(0)
    await done
    expect(await calls()).toEqual([gpu])
  })

  it('need not be called again where it has ended meanwhile, but for another guest’s end', async () => {
    await begin(1, 1)
    await say(0)
    await startAgent().scrubs.scrub(gpu, 1)
    expect(await calls()).toHaveLength(1)
    await begin(2, 2)
    await say(0)
    const next = startAgent().scrubs.scrub(gpu, 3)
    await untilCalled(3)
    await say(0)
    await next
  })

  it('says how it has failed, and may be called anew', async () => {
    const { scrubs } = startAgent()
    const failed = expect(scrubs.scrub(gpu, 1)).rejects.toThrow(
      /scrub \$HOME exited with 3: journalctl -u berth/,
    )
    await say(3)
    await failed
    const done = scrubs.scrub(gpu, 1)
    await say(0)
    await done
    await rm(join(directory, 'scrub $HOME'))
    await expect(scrubs.scrub(gpu, 2)).rejects.toMatchObject({ name: 'ScrubError' })
  })

  it('is not begun again once an operator has ended it', async () => {
    const ended = expect(startAgent().scrubs.scrub(gpu, 1)).rejects.toMatchObject({ name: 'ScrubError' })
    await untilCalled(1)
    const [enter = '', ...words] = [...systemd.prefix, 'systemctl', 'stop', `berth-device-scrub@${gpu}`]
    await createLinuxExec().run(enter, words)
    await ended
    expect(await calls()).toHaveLength(1)
  })
})
