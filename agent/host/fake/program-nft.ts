import type { FakeProgram } from './fake-exec.ts'
import { type FakeNetwork, NetworkRefusal } from './fake-network.ts'

/**
 * nft, as far as the agent uses it: a netdev table for each tap, one of family bridge for each network that denies, those
 * of family ip for gateways, each loaded whole or removed.
 */
export function nftProgram(network: FakeNetwork): FakeProgram {
  return (args, stdin) => {
    if (args.join(' ') === '-f -') return load(network, stdin)
    const listed = /^-j list table netdev (\S+)$/.exec(args.join(' '))?.[1]
    if (listed !== undefined) return list(network, listed)
    throw new Error(`The fake host has no 'nft ${args.join(' ')}'.`)
  }
}

function load(network: FakeNetwork, text: string) {
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

function list(network: FakeNetwork, table: string) {
  const device = network.tableDevice(table)
  if (device === undefined) return { code: 1, stderr: 'Error: No such file or directory' }
  const chain = { family: 'netdev', table, name: 'ingress', hook: 'ingress', policy: 'drop', dev: device }
  return { stdout: JSON.stringify({ nftables: [{ metainfo: { version: '1.0.6' } }, { chain }] }) }
}
