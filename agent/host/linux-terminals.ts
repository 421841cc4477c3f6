import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { IPty } from 'node-pty'
import type { Clock } from '../../lib/clock.ts'
import type { Terminal, Terminals } from './ports.ts'
import { programEnvironment } from './program-environment.ts'

const run = promisify(execFile)
const readyTimeoutMs = 10_000
const lookMs = 20
/** What a program says before it gives up. */
const lastWordsCharacters = 1000

/** node-pty is native code, which hosts that need no terminal need not have: it is loaded with the first one. */
export function createLinuxTerminals({ clock }: { clock: Clock }): Terminals {
  return {
    open: async (file, args) => {
      const { spawn } = await import('node-pty')
      const program = spawn(file, [...args], {
        name: 'dumb',
        cwd: '/',
        env: programEnvironment,
        // Bytes, as they are.
        encoding: null,
      })
      const ended = Promise.withResolvers<void>()
      program.onExit(() => ended.resolve())
      let said = ''
      // What nobody reads would hold up the program.
      const hearing = program.onData((data) => {
        said = `${said}${String(data)}`.slice(-lastWordsCharacters)
      })
      await Promise.race([untilRaw(program, clock), ended.promise.then(() => tellEnd(file, said))]).catch(
        (thrown: unknown) => {
          kill(program)
          throw thrown
        },
      )
      hearing.dispose()
      return terminalOf(program, ended.promise)
    },
  }
}

function terminalOf(program: IPty, ended: Promise<void>): Terminal {
  return {
    write: (bytes) => program.write(Buffer.from(bytes)),
    onBytes: (listener) => void program.onData((data) => listener(Buffer.from(data))),
    onEnd: (listener) => void ended.then(listener),
    close: () => kill(program),
  }
}

/** Until it takes keys one by one, the terminal answers by itself, and forgets at the change what was typed before it. */
async function untilRaw(program: IPty, clock: Clock): Promise<void> {
  // Its types do not tell of it.
  const { ptsName } = program as IPty & { readonly ptsName: string }
  const untilMs = clock.monotonicMs() + readyTimeoutMs
  for (; clock.monotonicMs() < untilMs; await clock.sleep(lookMs)) {
    const { stdout } = await run('stty', ['-F', ptsName, '--all'], { env: programEnvironment })
    if (/(^|\s)-icanon\b/.test(stdout)) return
  }
  throw new Error('The program did not take over its terminal.')
}

function tellEnd(file: string, said: string): never {
  throw new Error(`${file} ended: ${said.trim() || 'it said nothing'}`)
}

function kill(program: IPty): void {
  try {
    program.kill('SIGKILL')
  } catch {
    // It has ended already.
  }
}
