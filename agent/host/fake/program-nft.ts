import type { FakeProgram, ProgramResult } from './fake-exec.ts'
import { type FakeNetwork, NetworkRefusal } from './fake-network.ts'

/**
 * nft, as far as the agent uses it: a netdev table for each tap, one of family bridge for each network that denies, those
 * of family ip for gateways, each loaded whole or removed.
 */
export function nftProgram(network: FakeNetwork): FakeProgram {
  return (args, stdin) => {
    if (args.join(' ') === '-f -') return load(network, stdin)
    if (args.join(' ') === '-e -f -') return echo(load(network, stdin), stdin)
    throw new Error(`The fake host has no 'nft ${args.join(' ')}'.`)
  }
}

function load(network: FakeNetwork, text: string): ProgramResult {
  const [, family, table] = /^table (netdev|bridge|ip) (\S+)$/m.exec(text) ?? []
  if (table === undefined) throw new Error(`The fake host can't load this rule set:\n${text}`)
  if (text.includes(`delete table ${family} ${table}`)) network.deleteTable(table)
  if (family === 'ip') {
    // Rules of this family name interfaces, whether or not they are there.
    if (text.includes(`${table} {`)) network.loadTable(table, { device: undefined, text })
    return {}
  }
  const device =
    family === 'netdev'
      ? /hook ingress device "([^"]+)" priority \S+; policy drop;/.exec(text)?.[1]
      : /meta ibrname "([^"]+)" goto members/.exec(text)?.[1]
  if (device === undefined) return {}
  try {
    network.loadTable(table, { device, text })
    return {}
  } catch (thrown) {
    if (thrown instanceof NetworkRefusal) return { code: 1, stderr: thrown.message }
    throw thrown
  }
}

/** What was taken, as the kernel tells it. */
function echo(loaded: ProgramResult, text: string): ProgramResult {
  if (loaded.code !== undefined) return loaded
  const [, table] = /^table (\S+ \S+)$/m.exec(text) ?? []
  const [, hook] = /(type filter hook ingress .*)$/m.exec(text) ?? []
  return { stdout: `add table ${table}\nadd chain ${table} ingress { ${hook} }\n` }
}
