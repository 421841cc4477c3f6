// systemd of this machine as process 1 of namespaces of its own, with units of its own: where another init runs.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export const systemdNeeds = {
  root: true,
  programs: ['unshare', 'nsenter', 'systemctl', 'systemd-run'],
  files: ['/lib/systemd/systemd'],
}

const namespaces = ['--pid', '--mount', '--uts', '--cgroup']
const startTimeoutMs = 30_000
const script = `
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
mount -t tmpfs tmpfs /etc/systemd/system
printf '[Unit]\\nDescription=Nothing\\n' > /etc/systemd/system/nothing.target
exec env -i PATH="$PATH" container=docker /lib/systemd/systemd --system --unit=nothing.target --log-target=null --show-status=no
`

export interface OwnSystemd {
  /** What runs a program beside it. */
  readonly prefix: readonly string[]
  close(): Promise<void>
}

export async function startSystemd(): Promise<OwnSystemd> {
  const child = spawn(
    'unshare',
    [...namespaces, '--fork', '--kill-child', '--mount-proc', 'sh', '-ec', script],
    {
      stdio: 'ignore',
    },
  )
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const close = async () => {
    child.kill('SIGKILL')
    await ended
  }
  for (const beganMs = Date.now(); Date.now() - beganMs < startTimeoutMs; await sleep(100)) {
    const pid = pidBelow(child)
    const prefix = ['nsenter', '--target', `${pid}`, ...namespaces, '--']
    if (pid !== undefined && answers(prefix)) return { prefix, close }
  }
  await close()
  throw new Error('systemd does not start in namespaces of its own.')
}

function pidBelow({ pid }: ChildProcess): number | undefined {
  const [only] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return only === undefined ? undefined : Number(only)
}

/** As long as it has not begun the wrong systemd would answer, or none. */
function answers([file = '', ...args]: readonly string[]): boolean {
  const { stdout } = spawnSync(file, [...args, 'systemctl', 'is-active', 'nothing.target'], {
    encoding: 'utf8',
  })
  return stdout.trim() === 'active'
}
