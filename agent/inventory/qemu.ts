import { type Exec, ExecError } from '../host/ports.ts'

export interface Qemu {
  /** 7.2.22 */
  readonly version: string
  /** Versioned, so that a guest keeps its machine over upgrades of QEMU: pc-q35-7.2. */
  readonly machineType: string
}

/** undefined where QEMU is not installed or does not say what it is. */
export async function readQemu(options: { exec: Exec; program: string }): Promise<Qemu | undefined> {
  const { exec, program } = options
  try {
    const version = parseQemuVersion((await exec.run(program, ['--version'])).stdout)
    const machineType = parseMachineType((await exec.run(program, ['-machine', 'help'])).stdout)
    return version === undefined || machineType === undefined ? undefined : { version, machineType }
  } catch (thrown) {
    if (thrown instanceof ExecError) return undefined
    throw thrown
  }
}

export function parseQemuVersion(output: string): string | undefined {
  return /version (\d+(?:\.\d+)+)/.exec(output)?.[1]
}

export function parseMachineType(output: string): string | undefined {
  return /^q35\s.*\(alias of (pc-q35-[0-9.]+)\)/m.exec(output)?.[1]
}
