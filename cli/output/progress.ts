// Shows work that takes a while: a live list on a terminal, a line for each change elsewhere. Standard error only, so
// that standard output stays the result.
import type { Clock } from '../../lib/clock.ts'
import { renderDuration } from './duration.ts'

export interface Progress {
  /** A line about what is the case by now. */
  say(line: string): void
}

export interface ProgressOptions {
  readonly title: string
  readonly clock: Clock
  readonly isTerminal: boolean
}

export async function showProgress<Result>(
  options: ProgressOptions,
  work: (progress: Progress) => Promise<Result>,
): Promise<Result> {
  const startedMs = options.clock.monotonicMs()
  const withTime = (line: string) =>
    `${renderDuration(options.clock.monotonicMs() - startedMs).padStart(6)}  ${line}`
  if (!options.isTerminal) {
    process.stderr.write(`${options.title}\n`)
    let last = ''
    return work({
      say: (line) => {
        if (line !== last) process.stderr.write(`${withTime(line)}\n`)
        last = line
      },
    })
  }
  // Takes 60 ms to load: only for who sees it.
  const { Listr, ListrLogger, ProcessOutput } = await import('listr2')
  const outcome: { result?: Result } = {}
  const list = new Listr(
    [
      {
        title: options.title,
        task: async (_context, task) => {
          outcome.result = await work({
            say: (line) => {
              task.output = withTime(line)
            },
          })
        },
        rendererOptions: { outputBar: Number.POSITIVE_INFINITY, persistentOutput: true },
      },
    ],
    {
      registerSignalListeners: false,
      rendererOptions: {
        showErrorMessage: false,
        logger: new ListrLogger({ processOutput: new ProcessOutput(process.stderr, process.stderr) }),
      },
    },
  )
  await list.run()
  return outcome.result as Result
}
