// The same guests by a plain shell script, and by QEMU alone. What the agent works out from a spec is worked out for them
// before the time counts.
import { execFile, spawn } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { renderUnprivileged } from '../../agent/drivers/hypervisor/unprivileged.ts'
import { bridgeName } from '../../agent/plan/names.ts'
import { renderNftRuleset } from '../../agent/plan/nft-ruleset.ts'
import { instancePaths } from '../../agent/plan/paths.ts'
import { planPinned } from '../../agent/plan/pinned.ts'
import { renderQemuArgs } from '../../agent/plan/qemu-args.ts'
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { tapOf } from './guests.ts'

export interface ShellGuest {
  create(): Promise<void>
  remove(): Promise<void>
}

export interface ShellFacts {
  readonly directory: string
  readonly machineType: string
  /** In the agent's cache, with the group that may read it. */
  readonly cachedImage: string
  /** What the metadata service was given for a guest. */
  readonly document: string
}

const script = join(import.meta.dirname, 'by-shell.sh')
const run = promisify(execFile)
/** Guests of the script have users of their own, as those of the agent have. */
const firstUid = 290_000
let made = 0

export function prepareShellGuest(spec: InstanceSpec, facts: ShellFacts): ShellGuest {
  made += 1
  const uid = firstUid + made
  const folder = join(facts.directory, `shell-${made}`)
  mkdirSync(folder)
  chmodSync(folder, 0o711)
  chownSync(folder, uid, uid)
  const [nic] = spec.nics
  if (nic?.network === undefined) throw new Error('The guest has no network.')
  const settings = {
    image: facts.cachedImage,
    uid,
    tap: tapOf(spec),
    bridge: bridgeName(nic.network.uid),
  }
  const words = Object.entries(settings).map(([name, value]) => `${name}=${quoted(String(value))}`)
  const command = commandOf(spec, { ...facts, folder, uid })
  writeFileSync(join(folder, 'settings'), `${words.join('\n')}\nqemu=(${command.map(quoted).join(' ')})\n`)
  writeFileSync(join(folder, 'filter.nft'), renderNftRuleset({ ...nic, tap: tapOf(spec) }))
  writeFileSync(join(folder, 'document'), facts.document)
  return {
    // Told by a line and not by its end: its end is nobody's concern.
    create: () => firstLine('bash', [script, 'create', folder], '').then(() => undefined),
    remove: () => run('bash', [script, 'remove', folder]).then(() => undefined),
  }
}

/** From exec to vCPUs that run; resolves with what ends it. */
export async function startBareQemu(spec: InstanceSpec, facts: ShellFacts): Promise<() => Promise<void>> {
  const uid = firstUid
  const command = commandOf({ ...spec, disks: [], nics: [] }, { ...facts, folder: facts.directory, uid })
  const [file = '', ...args] = command
  const greetings = ['qmp_capabilities', 'cont', 'query-status'].map((execute) => JSON.stringify({ execute }))
  const child = await firstLine(file, args, `${greetings.join('\n')}\n`)
  return () =>
    new Promise((resolve) => {
      child.once('exit', () => resolve())
      child.kill()
    })
}

function commandOf(
  spec: InstanceSpec,
  { folder, uid, machineType, cachedImage }: ShellFacts & { folder: string; uid: number },
): readonly string[] {
  const pinned = planPinned(spec, { machineType, accelerator: 'tcg', runAsUid: uid })
  const own = instancePaths({ state: folder, run: folder }, spec.uid)
  const paths = { ...own, disk: () => join(folder, 'disk0.qcow2') }
  const args = renderQemuArgs({ spec, pinned, paths }).map((word) =>
    word.startsWith('unix:') && word.includes('server=on') ? 'stdio' : word,
  )
  const runAs = { uid, gid: uid, supplementaryGids: [statSync(cachedImage).gid] }
  const unprivileged = renderUnprivileged({
    ...{ program: 'qemu-system-x86_64', args, runAs, pidFilePath: '/dev/null' },
    ...{ instanceUid: spec.uid, memlockMib: 0, logPath: '', startTimeoutMs: 0 },
  })
  // Without its pid file: the shell knows the pid.
  return unprivileged.slice(0, -2)
}

/** Resolves with the process once it says that the guest runs. */
function firstLine(file: string, args: readonly string[], input: string) {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let complaint = ''
  child.stderr.on('data', (text) => {
    complaint += String(text)
  })
  child.stdin.write(input)
  return new Promise<typeof child>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => reject(new Error(`${file} ended with ${code}: ${complaint}`)))
    createInterface(child.stdout).on('line', (line) => {
      if (/ running$|"status": "running"/.test(line)) resolve(child)
    })
  })
}

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`
