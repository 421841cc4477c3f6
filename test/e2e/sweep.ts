import { execFileSync } from 'node:child_process'
import { readProcesses, run } from './host-state.ts'

/**
 * Ends whatever a region left on this machine. After a test that passed there is nothing; a test that failed half-way
 * must not leave guests running on files that are about to go.
 */
export function sweepRegion(directory: string, networkUid: string): void {
  for (const { pid, commandLine } of readProcesses()) {
    if (pid !== process.pid && commandLine.includes(directory))
      ignoreAbsence(() => process.kill(pid, 'SIGKILL'))
  }
  const key = networkUid.replaceAll('-', '').slice(-10)
  const bridge = `bb${key}`
  const links = JSON.parse(run('ip', ['-j', 'link'])) as { ifname: string; master?: string }[]
  const tables = run('nft', ['list', 'tables'])
  for (const { ifname } of links.filter(({ master }) => master === bridge)) {
    if (tables.includes(`berth-${ifname}\n`)) quietly('nft', ['delete', 'table', 'netdev', `berth-${ifname}`])
    quietly('ip', ['link', 'delete', ifname])
  }
  if (run('ip', ['netns', 'list']).includes(`berth-${key}`))
    quietly('ip', ['netns', 'delete', `berth-${key}`])
  if (links.some(({ ifname }) => ifname === bridge)) quietly('ip', ['link', 'delete', bridge])
}

function quietly(file: string, args: readonly string[]): void {
  ignoreAbsence(() => execFileSync(file, args, { stdio: 'ignore' }))
}

/** Another may have removed it between the look and the removal. */
function ignoreAbsence(act: () => void): void {
  try {
    act()
  } catch {}
}
