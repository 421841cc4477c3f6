import type { Exec } from '../../host/ports.ts'
import { networkMtu } from '../../plan/dnsmasq-config.ts'
import { bridgeName, filterTableName } from '../../plan/names.ts'
import { renderNftRemoval, renderNftRuleset } from '../../plan/nft-ruleset.ts'
import { egressLimitArgs } from '../../plan/rate-limit.ts'
import { disableIpv6, type Link, readLinks, removeLink } from './links.ts'
import type { PortPlan } from './port.ts'

/** A guest's tap: made down, filtered and limited, then joined to its bridge and up, in this order. */
export async function ensureTap(exec: Exec, port: PortPlan, onTap?: () => void): Promise<void> {
  const known = await ensureDevice(exec, port)
  onTap?.()
  const bridge = bridgeName(port.network.uid)
  const mtu = networkMtu(port.network)
  const isJoined = known?.bridge === bridge && known.isUp && known.mtu === mtu
  await Promise.all([
    ensureFilter(exec, port),
    ensureEgressLimit(exec, port, known),
    ...(isJoined ? [] : [disableIpv6(exec, port.tap)]),
  ])
  if (isJoined) return
  await exec.run('ip', ['link', 'set', 'dev', port.tap, 'mtu', String(mtu), 'master', bridge, 'up'])
}

export async function removeTap(exec: Exec, tap: string): Promise<void> {
  // The filter goes last: while there is a tap there is a filter.
  await removeLink(exec, tap)
  await exec.run('nft', ['-f', '-'], { stdin: renderNftRemoval(tap) })
}

/** Of what comes for the guest. Replacing one that is there drops nothing, and changes it where it differs. */
async function ensureEgressLimit(
  exec: Exec,
  { tap, networkMbps = 0 }: PortPlan,
  known: Link | undefined,
): Promise<void> {
  if (networkMbps > 0) await exec.run('tc', egressLimitArgs(tap, networkMbps))
  else if (known?.queueing === 'tbf') await exec.run('tc', ['qdisc', 'delete', 'dev', tap, 'root'])
}

/** What was there already; undefined for a new one, which is down and in no bridge. */
async function ensureDevice(exec: Exec, port: PortPlan): Promise<Link | undefined> {
  // Most are new: who asks first what there is reads all links of the host for nothing.
  const add = () => exec.run('ip', ['tuntap', 'add', 'dev', port.tap, ...tapWords(port)])
  try {
    await add()
    return undefined
  } catch (thrown) {
    const known = (await readLinks(exec)).get(port.tap)
    if (known === undefined) throw thrown
    if (!isForAnother(known, port)) return known
    await removeLink(exec, port.tap)
    await add()
    return undefined
  }
}

const hasQueues = ({ queues = 0 }: PortPlan) => queues > 1

function tapWords(port: PortPlan): readonly string[] {
  const words = ['mode', 'tap', 'user', String(port.ownerUid)]
  return hasQueues(port) ? [...words, 'multi_queue'] : words
}

/**
 * Only a tap has an owner; another kind of link under its name was put there to stand in for one. `ip` shows a name
 * instead of the number for users that the host knows: those can't be compared.
 */
function isForAnother(link: Link, port: PortPlan): boolean {
  if (link.kind !== 'tun') return false
  const isOwned = typeof link.tapOwner === 'string' || link.tapOwner === port.ownerUid
  return !isOwned || link.isMultiQueue !== hasQueues(port)
}

async function ensureFilter(exec: Exec, port: PortPlan): Promise<void> {
  try {
    // --echo: what the kernel says that it has taken.
    const { stdout } = await exec.run('nft', ['-e', '-f', '-'], { stdin: renderNftRuleset(port) })
    if (!isFilterHooked(stdout, port.tap)) {
      throw new Error(`The filter of ${port.tap} was loaded but is not at its ingress.`)
    }
  } catch (thrown) {
    // A tap that an earlier run left up must not go on unfiltered.
    await exec.run('ip', ['link', 'set', 'dev', port.tap, 'down'])
    throw thrown
  }
}

/** Of what the kernel echoes: whether a chain that drops by default is at the tap's ingress. */
export function isFilterHooked(echo: string, tap: string): boolean {
  const begin = `add chain netdev ${filterTableName(tap)} `
  return echo.split('\n').some((line) => {
    // Older versions leave the device out.
    const device = /\bdevices?\b[^;]*?\bpriority\b/.exec(line)?.[0]
    const isHere = device === undefined || device.split(/[\s"=,{}]+/).includes(tap)
    return line.startsWith(begin) && isHere && /\bhook ingress\b.*\bpolicy drop;/.test(line)
  })
}
