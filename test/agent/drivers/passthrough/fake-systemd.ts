// systemd as writes to devices meet it: transient units by name, of which one that has not ended keeps its name. What it is
// asked and would refuse, it refuses; what is not modelled throws.
import type { FakeProgram } from '../../../../agent/host/fake/fake-exec.ts'
import { ExecError, type Sysfs } from '../../../../agent/host/ports.ts'

const flags = ['--quiet', '--collect', '--wait', '--pipe', '--no-ask-password']
const properties = ['RuntimeMaxSec', 'KillSignal', 'TimeoutStopSec', 'DefaultDependencies', 'Slice']

export class FakeSystemd {
  /** By unit. */
  readonly units = new Map<string, { readonly pid: number; readonly path: string }>()
  /** Each that was begun, in order. */
  readonly begun: string[] = []
  /** Whether the kernel keeps who writes there. */
  hangs: (path: string) => boolean = () => false
  /** How often a unit that has ended is asked for in vain. */
  forgetsAfter = 0
  readonly #sysfs: Sysfs
  readonly #remembered = new Map<string, number>()
  #lastPid = 811

  constructor(sysfs: Sysfs) {
    this.#sysfs = sysfs
  }

  /** The kernel lets go. */
  async letGo(unit: string, value: string): Promise<void> {
    const held = this.units.get(unit)
    if (!held) throw new Error(`There is no unit ${unit}.`)
    this.units.delete(unit)
    await this.#sysfs.write(held.path, value)
  }

  readonly systemdRun: FakeProgram = async (args, stdin) => {
    const { unit, path } = parse(args)
    if (this.units.has(unit) || this.#isRemembered(unit)) {
      const why = `Unit ${unit} was already loaded or has a fragment file.`
      return { code: 1, stderr: `Failed to start transient service unit: ${why}\n` }
    }
    this.begun.push(`${unit} ${path} ${stdin.trim()}`)
    this.#lastPid += 1
    if (this.hangs(path)) {
      this.units.set(unit, { pid: this.#lastPid, path })
      throw new ExecError({ kind: 'timeout', file: 'systemd-run', args, how: 'gave no answer in 30000 ms' })
    }
    this.#remembered.set(unit, this.forgetsAfter)
    try {
      await this.#sysfs.write(path, stdin)
      return {}
    } catch (thrown) {
      if (thrown instanceof ExecError) return { code: 1, stderr: thrown.stderr }
      return { code: 1, stderr: `tee: /${path}: ${String(thrown)}\n` }
    }
  }

  readonly systemctl: FakeProgram = (args) => {
    const unit = args.at(-1) ?? ''
    const words = args.slice(0, -1).join(' ')
    if (words === 'show --property=MainPID --value') return { stdout: `${this.units.get(unit)?.pid ?? 0}\n` }
    if (words === 'list-units --all --full --plain --no-legend' && unit.endsWith('*.service')) {
      const lines = [...this.units.keys()].map((name) => `${name} loaded deactivating stop-sigterm tee\n`)
      return { stdout: lines.join('') }
    }
    throw new Error(`The fake systemd has no 'systemctl ${args.join(' ')}'.`)
  }

  #isRemembered(unit: string): boolean {
    const left = this.#remembered.get(unit) ?? 0
    this.#remembered.set(unit, left - 1)
    return left > 0
  }
}

function parse(args: readonly string[]): { unit: string; path: string } {
  const words = [...args]
  let unit = ''
  for (;;) {
    const word = words.shift() ?? ''
    if (word === '--') break
    if (word.startsWith('--unit=')) unit = word.slice('--unit='.length)
    else if (word === '-p' && properties.includes(words.shift()?.split('=')[0] ?? '')) continue
    else if (!flags.includes(word)) throw new Error(`The fake systemd-run has no ${word} there.`)
  }
  const [file, path = '', ...rest] = words
  if (file !== 'tee' || !path.startsWith('/sys/') || rest.length > 0) {
    throw new Error(`The fake systemd runs no ${words.join(' ')}.`)
  }
  if (!/^[\w:.@-]+\.service$/.test(unit)) throw new Error(`A unit can't be called "${unit}".`)
  return { unit, path: path.slice(1) }
}
