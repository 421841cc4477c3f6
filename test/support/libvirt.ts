// libvirt of this machine, where no systemd starts it.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const startTimeoutMs = 30_000
const endTimeoutMs = 10_000

/** The result ends what was not running before. Guests of libvirt's go on, and are found again. */
export async function startLibvirt(): Promise<() => Promise<void>> {
  const ends = [await startDaemon('virtlogd', () => existsSync('/run/libvirt/virtlogd-sock'))]
  ends.unshift(await startDaemon('libvirtd', answers))
  return async () => {
    for (const end of ends) await end()
  }
}

/** Alone: what keeps the guests' output stays. */
export const startLibvirtDaemon = () => startDaemon('libvirtd', answers)

async function startDaemon(name: string, isThere: () => boolean): Promise<() => Promise<void>> {
  if (isThere()) return async () => {}
  const daemon = spawn(name, [], { stdio: 'ignore' })
  const ended = new Promise<void>((resolve) => daemon.once('exit', () => resolve()))
  for (const beganMs = Date.now(); !isThere(); await sleep(200)) {
    if (daemon.exitCode === null && Date.now() - beganMs < startTimeoutMs) continue
    daemon.kill()
    throw new Error(`${name} does not answer.`)
  }
  return async () => {
    daemon.kill()
    await Promise.race([ended, sleep(endTimeoutMs)])
    if (daemon.exitCode === null) daemon.kill('SIGKILL')
    await ended
  }
}

const answers = () => spawnSync('virsh', ['-q', '-c', 'qemu:///system', 'uri']).status === 0
