import type { Processes, ProcessIdentity } from '../ports.ts'

export interface FakeProcess {
  readonly identity: ProcessIdentity
  readonly name: string
  /** The model's reaction; SIGKILL ends the process whatever it says. */
  readonly onSignal: (signal: 'SIGTERM' | 'SIGKILL' | 'SIGHUP') => void
}

/** The processes of one host since its boot. */
export class FakeProcesses implements Processes {
  readonly #living = new Map<number, FakeProcess>()
  readonly #waiters = new Set<() => void>()
  readonly #bootId: string
  #lastPid = 100

  constructor(bootId: string) {
    this.#bootId = bootId
  }

  /** For programs of the fake host. */
  begin(name: string, onSignal: FakeProcess['onSignal'] = () => {}): FakeProcess {
    this.#lastPid += 1
    const identity = { pid: this.#lastPid, startTimeTicks: BigInt(this.#lastPid) * 7n }
    const process: FakeProcess = { identity, name, onSignal }
    this.#living.set(identity.pid, process)
    return process
  }

  end(pid: number): void {
    if (!this.#living.delete(pid)) return
    for (const wake of [...this.#waiters]) wake()
  }

  names(): string[] {
    return [...this.#living.values()].map((process) => process.name).sort()
  }

  async identify(pid: number): Promise<ProcessIdentity | undefined> {
    return this.#living.get(pid)?.identity
  }

  async isAlive(identity: ProcessIdentity): Promise<boolean> {
    return this.#living.get(identity.pid)?.identity.startTimeTicks === identity.startTimeTicks
  }

  async signal(identity: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL' | 'SIGHUP'): Promise<boolean> {
    if (!(await this.isAlive(identity))) return false
    this.#living.get(identity.pid)?.onSignal(signal)
    if (signal === 'SIGKILL') this.end(identity.pid)
    return true
  }

  async waitGone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean> {
    if (!(await this.isAlive(identity))) return true
    if (timeoutMs <= 0) return false
    // Nothing in the fake ends by itself later: it is gone by the next turn or it stays.
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#waiters.delete(wake)
        resolve()
      }
      this.#waiters.add(wake)
      setImmediate(wake)
    })
    return !(await this.isAlive(identity))
  }

  async bootId(): Promise<string> {
    return this.#bootId
  }
}
