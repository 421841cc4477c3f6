import { describe, expect, it } from 'vitest'
import { findInheritedSocket } from '../../scheduler/inherited-socket.ts'

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
