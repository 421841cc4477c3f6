import { type Exec, ExecError } from '../host/ports.ts'

/** Whether a program that is only tried does what it is called for; why not is not asked. */
export async function succeeds(exec: Exec, ...call: Parameters<Exec['run']>): Promise<boolean> {
  try {
    await exec.run(...call)
    return true
  } catch (thrown) {
    if (thrown instanceof ExecError) return false
    throw thrown
  }
}
