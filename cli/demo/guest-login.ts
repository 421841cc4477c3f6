// Logs in to a guest over ssh, as a person would, from the namespace of its network. In: address, key, user. Out: what
// the guest says. Never trusts or stores the guest's host key: the network is this machine's own.
import { execFile, spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import type { Clock } from '../../lib/clock.ts'
import { CliError, exitCodes } from '../exit-codes.ts'

export interface Login {
  readonly namespace: string
  readonly user: string
  readonly address: string
  readonly keyPath: string
}

/** A new key pair; its public half. */
export function makeSshKey(keyPath: string): string {
  if (!existsSync(keyPath)) {
    rmSync(`${keyPath}.pub`, { force: true })
    const { status, stderr } = spawnSync(
      'ssh-keygen',
      ['-q', '-t', 'ed25519', '-N', '', '-C', 'berth-demo', '-f', keyPath],
      { encoding: 'utf8' },
    )
    if (status !== 0)
      throw new CliError(`ssh-keygen failed: ${stderr.trim()}`, { exitCode: exitCodes.trouble })
  }
  return readFileSync(`${keyPath}.pub`, 'utf8').trim()
}

export function sshCommand({ namespace, user, address, keyPath }: Login): readonly string[] {
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR']
  return [
    ...['ip', 'netns', 'exec', namespace, 'ssh', '-F', '/dev/null', '-i', keyPath],
    ...options.flatMap((option) => ['-o', option]),
    `${user}@${address}`,
  ]
}

type Said =
  | { readonly kind: 'said'; readonly text: string }
  | { readonly kind: 'failed'; readonly why: string }

/** What the command wrote; `failed` where there was no login, or the command itself failed without a word. */
async function tryCommand(login: Login, command: string): Promise<Said> {
  const unattended = ['BatchMode=yes', 'IdentitiesOnly=yes', 'ConnectTimeout=5']
  const [program = '', ...args] = sshCommand(login)
  const destination = args.pop() ?? ''
  return new Promise((resolve) => {
    execFile(
      program,
      [...args, ...unattended.flatMap((option) => ['-o', option]), destination, command],
      { timeout: 240_000 },
      (thrown, stdout, stderr) => {
        if (thrown === null || stdout.trim() !== '') resolve({ kind: 'said', text: stdout.trim() })
        else resolve({ kind: 'failed', why: stderr.trim() || thrown.message })
      },
    )
  })
}

export async function runInGuest(login: Login, command: string): Promise<string> {
  const said = await tryCommand(login, command)
  if (said.kind === 'said') return said.text
  throw new CliError(`"${command}" failed in the guest: ${said.why}`, { exitCode: exitCodes.trouble })
}

/** Until the guest lets the user in. The last refusal says what was in the way. */
export async function waitForLogin(
  login: Login,
  options: { readonly clock: Clock; readonly timeoutMs: number; readonly onRefusal: (why: string) => void },
): Promise<void> {
  const startedMs = options.clock.monotonicMs()
  for (;;) {
    const said = await tryCommand(login, 'echo in')
    if (said.kind === 'said') return
    options.onRefusal(said.why)
    if (options.clock.monotonicMs() - startedMs > options.timeoutMs) {
      throw new CliError(`${login.user}@${login.address} could not log in: ${said.why}`, {
        exitCode: exitCodes.trouble,
      })
    }
    await options.clock.sleep(500)
  }
}
