import type { FakeProgram } from './fake-exec.ts'
import type { FakeGuest } from './qemu-machine.ts'

/** Sets where threads of guests run: `taskset [-a] -p -c LIST ID`. With -a all threads of a process. */
export const tasksetProgram =
  (guests: ReadonlyMap<number, FakeGuest>): FakeProgram =>
  (args) => {
    const [, all, cpus = '', id] = /^(-a )?-p -c ([-,\d]+) (\d+)$/.exec(args.join(' ')) ?? []
    if (id === undefined) throw new Error(`The fake host has no 'taskset ${args.join(' ')}'.`)
    const guest = [...guests.values()].find(({ affinity }) => affinity.has(Number(id)))
    if (!guest) return { code: 1, stderr: `taskset: failed to get pid ${id}'s affinity: No such process` }
    const threads = all === undefined ? [Number(id)] : [...guest.affinity.keys()]
    for (const thread of threads) guest.affinity.set(thread, cpus)
    return {}
  }
