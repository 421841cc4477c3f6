import { Type } from 'typebox'
import { Value } from 'typebox/value'
import { type Exec, ExecError } from '../../host/ports.ts'
import { namespaceName } from '../../plan/names.ts'
import { changeLinks, readLinks } from './links.ts'

const namespaceSchema = Type.Array(Type.Object({ name: Type.String() }))

export async function hasNamespace(exec: Exec, name: string): Promise<boolean> {
  const { stdout } = await exec.run('ip', ['-j', 'netns', 'list'])
  // Where there is none, some versions print nothing at all.
  const shown: unknown = stdout.trim() === '' ? [] : JSON.parse(stdout)
  return Value.Parse(namespaceSchema, shown).some((namespace) => namespace.name === name)
}

/** The network's namespace, with its loopback up and forwarding nothing. */
export async function ensureNamespace(exec: Exec, networkUid: string): Promise<void> {
  const name = namespaceName(networkUid)
  const isThere = () => hasNamespace(exec, name)
  if ((await isThere()) && !(await isUsable(exec, name))) {
    // `ip netns add` that was killed half way leaves a name with no namespace behind it.
    await exec.run('ip', ['netns', 'delete', name])
  }
  if (!(await isThere())) await changeLinks(() => exec.run('ip', ['netns', 'add', name]), isThere)
  if ((await readLinks(exec, name)).get('lo')?.isUp) return
  // New namespaces may inherit the host's settings, and a host that routes is common.
  const settings = ['net.ipv4.ip_forward=0', 'net.ipv6.conf.all.disable_ipv6=1']
  await exec.run('ip', ['netns', 'exec', name, 'sysctl', '-q', '-e', '-w', ...settings])
  await exec.run('ip', ['-n', name, 'link', 'set', 'dev', 'lo', 'up'])
}

export async function removeNamespace(exec: Exec, networkUid: string): Promise<void> {
  const name = namespaceName(networkUid)
  if (!(await hasNamespace(exec, name))) return
  await changeLinks(
    () => exec.run('ip', ['netns', 'delete', name]),
    async () => !(await hasNamespace(exec, name)),
  )
}

async function isUsable(exec: Exec, name: string): Promise<boolean> {
  try {
    await readLinks(exec, name)
    return true
  } catch (thrown) {
    if (thrown instanceof ExecError && thrown.kind === 'exit') return false
    throw thrown
  }
}
