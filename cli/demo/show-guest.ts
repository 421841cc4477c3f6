import type { Clock } from '../../lib/clock.ts'
import { type Login, runInGuest, waitForLogin } from './guest-login.ts'
import { greetingPath } from './instance.ts'
import type { Reporter } from './reporter.ts'

const loginTimeoutMs = 300_000
const sayAgainMs = 15_000

/** Logs in and asks the guest about itself: that its metadata reached it, in its own words. */
export async function showGuest(
  login: Login,
  { clock, reporter }: { clock: Clock; reporter: Reporter },
): Promise<void> {
  reporter.event('waiting', `Linux boots; waiting to log in as ${login.user}@${login.address}`)
  let saidMs = clock.monotonicMs()
  await waitForLogin(login, {
    clock,
    timeoutMs: loginTimeoutMs,
    onRefusal: (why) => {
      if (clock.monotonicMs() - saidMs < sayAgainMs) return
      saidMs = clock.monotonicMs()
      reporter.event('waiting', `still booting (${why.split('\n').at(-1)})`)
    },
  })
  reporter.event('login', `Logged in over ssh as ${login.user}`, { user: login.user, address: login.address })
  const questions = [
    ['hostname', 'hostname'],
    ['addresses', 'ip -brief -4 address'],
    ['cloud-init', 'cloud-init status --wait >/dev/null; cloud-init status --long'],
    ['user-data', `cat ${greetingPath}`],
  ] as const
  for (const [name, command] of questions) {
    const output = await runInGuest(login, command)
    reporter.event('guest', `$ ${command.split('; ').at(-1)}\n${output}`, { question: name, output })
  }
}
