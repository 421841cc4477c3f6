import { describe, expect, it } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { silentLogger } from '../../lib/log.ts'
import { findInheritedSocket, tellServiceManager } from '../../scheduler/service-manager.ts'

const from = (variables: Readonly<Record<string, string>>) => (name: string) => variables[name]

describe('the socket that systemd gives', () => {
  it('is the first after standard error, where it is for this process', () => {
    const environment = from({ LISTEN_PID: '42', LISTEN_FDS: '1' })
    expect(findInheritedSocket(42, environment)).toBe(3)
    expect(findInheritedSocket(43, environment)).toBeUndefined()
    expect(findInheritedSocket(42, from({}))).toBeUndefined()
  })

  it('is one alone', () => {
    expect(() => findInheritedSocket(42, from({ LISTEN_PID: '42', LISTEN_FDS: '2' }))).toThrow(
      'berth-scheduler.socket gives 2 sockets: name one ListenStream.',
    )
  })
})

describe('what systemd hears', () => {
  const hear = async (variables: Readonly<Record<string, string>>) => {
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
      environment: from(variables),
      notify: async (state) => heard.push(state),
    })
    return { heard, beat }
  }

  it('is that the scheduler is ready, and three times in each deadline that it lives', async () => {
    const { heard, beat } = await hear({ NOTIFY_SOCKET: '/run/systemd/notify', WATCHDOG_USEC: '30000000' })
    expect(heard).toEqual(['READY=1'])
    expect(beat?.everyMs).toBe(10_000)
    beat?.run()
    expect(heard).toEqual(['READY=1', 'WATCHDOG=1'])
  })

  it('is no more than it wants', async () => {
    expect(await hear({ NOTIFY_SOCKET: '/run/systemd/notify' })).toEqual({
      heard: ['READY=1'],
      beat: undefined,
    })
    expect(await hear({})).toEqual({ heard: [], beat: undefined })
  })
})
