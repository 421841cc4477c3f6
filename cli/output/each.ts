import { CliError, type ExitCode, exitCodes } from '../exit-codes.ts'

/** Trouble with this one says nothing about the others. */
const isOfOne: readonly ExitCode[] = [exitCodes.notFound, exitCodes.conflict, exitCodes.instanceFailed]

/** Does all that can be done: one that is gone leaves nothing undone behind it. Throws at the end. */
export async function forEach(ids: readonly string[], work: (id: string) => Promise<void>): Promise<void> {
  const failures: CliError[] = []
  for (const id of ids) {
    try {
      await work(id)
    } catch (thrown) {
      if (!(thrown instanceof CliError) || !isOfOne.includes(thrown.exitCode)) throw thrown
      failures.push(thrown)
    }
  }
  const [first, ...others] = failures
  if (first === undefined) return
  if (others.length === 0) throw first
  throw new CliError(`${failures.length} of ${ids.length} could not be done:`, {
    exitCode: first.exitCode,
    lines: failures.map(({ message }) => message),
  })
}
