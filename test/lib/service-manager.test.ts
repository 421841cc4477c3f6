import { expect, it } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { silentLogger } from '../../lib/log.ts'
import { tellServiceManager } from '../../lib/service-manager.ts'

async function hear(variables: Readonly<Record<string, string>>) {
  const heard: string[] = []
  let beat: { everyMs: number; run: () => void } | undefined
  await tellServiceManager({
    clock: {
      ...systemClock,
      every: (everyMs, run) => {
        beat = { everyMs, run }
        return () => {}
      },
    },
    log: silentLogger,
    environment: (name) => variables[name],
    notify: async (state, socket) => heard.push(`${state} at ${socket}`),
  })
  return { heard, beat }
}

it('tells systemd that a program is ready, and three times in each deadline that it lives', async () => {
  const { heard, beat } = await hear({ NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '30000000' })
  expect(heard).toEqual(['READY=1 at /run/notify'])
  expect(beat?.everyMs).toBe(10_000)
  beat?.run()
  expect(heard).toEqual(['READY=1 at /run/notify', 'WATCHDOG=1 at /run/notify'])
})

it('tells nobody who has not asked', async () => {
  expect(await hear({ NOTIFY_SOCKET: '/run/notify' })).toEqual({
    heard: ['READY=1 at /run/notify'],
    beat: undefined,
  })
  expect(await hear({})).toEqual({ heard: [], beat: undefined })
})
