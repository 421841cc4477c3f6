import { describe, expect, it } from 'vitest'
import { watchKernel } from '../../../../agent/drivers/network/kernel-watch.ts'
import { FakeExec } from '../../../../agent/host/fake/fake-exec.ts'
import type { Exec } from '../../../../agent/host/ports.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { createEagerClock, until } from '../../instance/eager-clock.ts'

class FollowedExec extends FakeExec {
  readonly followed: { readonly command: string; readonly listeners: Parameters<Exec['follow']>[2] }[] = []
  stopped = 0

  override follow(file: string, args: readonly string[] = [], listeners?: Parameters<Exec['follow']>[2]) {
    if (listeners) this.followed.push({ command: [file, ...args].join(' '), listeners })
    return () => {
      this.stopped += 1
    }
  }
}

const watched = () => {
  const exec = new FollowedExec({})
  const watch = watchKernel({ exec, clock: createEagerClock(), log: silentLogger })
  return { exec, watch }
}

describe('the watch on the kernel', () => {
  it('says once that something has changed, at first and whenever it is told', () => {
    const { exec, watch } = watched()
    expect(exec.followed.map(({ command }) => command)).toEqual(['ip monitor link netconf', 'nft monitor'])
    expect([watch.hasChanged(), watch.hasChanged()]).toEqual([true, false])
    exec.followed[1]?.listeners.onOutput()
    expect([watch.hasChanged(), watch.hasChanged()]).toEqual([true, false])
  })

  it('says so all the time while it is deaf, and listens again', async () => {
    const { exec, watch } = watched()
    exec.followed[0]?.listeners.onEnd('exit 1')
    expect([watch.hasChanged(), watch.hasChanged()]).toEqual([true, true])
    await until(() => exec.followed.length === 3, 'it listens again')
    expect(exec.followed[2]?.command).toBe('ip monitor link netconf')
    expect([watch.hasChanged(), watch.hasChanged()]).toEqual([true, false])
  })

  it('ends what it has started, and starts nothing any more', async () => {
    const { exec, watch } = watched()
    exec.followed[1]?.listeners.onEnd('SIGKILL')
    watch.close()
    expect(exec.stopped).toBe(1)
    for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate)
    expect(exec.followed).toHaveLength(2)
  })
})
