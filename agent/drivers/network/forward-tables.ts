import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Exec } from '../../host/ports.ts'

const chainsSchema = Type.Object({
  nftables: Type.Array(
    Type.Object({
      chain: Type.Optional(Type.Object({ table: Type.String(), hook: Type.Optional(Type.String()) })),
    }),
  ),
})

/** Names of the tables of a family that look at what is forwarded. */
export async function readForwardTables(exec: Exec, family: 'ip' | 'bridge'): Promise<ReadonlySet<string>> {
  const { stdout } = await exec.run('nft', ['-j', 'list', 'chains', family])
  const { nftables } = Value.Parse(chainsSchema, JSON.parse(stdout))
  return new Set(nftables.flatMap(({ chain }) => (chain?.hook === 'forward' ? [chain.table] : [])))
}
