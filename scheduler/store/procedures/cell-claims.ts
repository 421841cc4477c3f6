// What is taken of the NUMA cells of a host. It is a part of what is taken of the host, and kept in the host's row: whoever
// changes it has changed the host's counters before, and so has the row to himself.
import { changeCells, findFullCell } from '../../model/numa-cells.ts'
import type { CellShare, Demand, NumaCell } from '../../model/placement.ts'
import type { RegisterHost } from '../host-store.ts'
import type { ClaimLost } from '../store.ts'
import { prepare } from './prepared.ts'
import type { Tx } from './rows.ts'

export interface StoredCell extends NumaCell {
  /** Before its zone's overcommit. */
  readonly allocatableVcpus: number
}

const findCells = prepare((tx: Tx, { hostId }: { hostId: string }) =>
  tx.selectFrom('hosts').select('cells').where('host_id', '=', hostId),
)

const setCells = prepare((tx: Tx, { hostId, cells }: { hostId: string; cells: string }) =>
  tx.updateTable('hosts').set({ cells }).where('host_id', '=', hostId),
)

export const parseCells = (cells: string | null): readonly StoredCell[] =>
  cells === null ? [] : (JSON.parse(cells) as StoredCell[])

/** undefined when all of it was there. */
export async function claimCells(
  tx: Tx,
  hostId: string,
  { cells: shares }: Demand,
): Promise<ClaimLost | undefined> {
  if (shares === undefined || shares.length === 0) return undefined
  const cells = parseCells((await findCells.first(tx, { hostId }))?.cells ?? null)
  const full = findFullCell(cells, shares)
  if (full !== undefined) {
    const message = `the CPUs or the memory of NUMA cell ${full.numaNode} are taken`
    return { kind: 'claim-lost', what: 'cell', message }
  }
  await setCells.run(tx, { hostId, cells: JSON.stringify(changeCells(cells, shares, 1)) })
  return undefined
}

export async function giveCellsBack(
  tx: Tx,
  hostId: string,
  shares: readonly CellShare[] | undefined,
): Promise<void> {
  if (shares === undefined || shares.length === 0) return
  const row = await findCells.first(tx, { hostId })
  if (row === undefined || row.cells === null) return
  const cells = JSON.stringify(changeCells(parseCells(row.cells), shares, -1))
  await setCells.run(tx, { hostId, cells })
}

/** Of a guest that is elsewhere, as full as its cells may be: it is there. False where the host does not tell of all of them. */
export async function moveShares(
  tx: Tx,
  hostId: string,
  { from, to }: { readonly from: readonly CellShare[]; readonly to: readonly CellShare[] },
): Promise<boolean> {
  const cells = parseCells((await findCells.first(tx, { hostId }))?.cells ?? null)
  if (to.some(({ numaNode }) => !cells.some((cell) => cell.numaNode === numaNode))) return false
  const moved = changeCells(changeCells(cells, from, -1), to, 1)
  await setCells.run(tx, { hostId, cells: JSON.stringify(moved) })
  return true
}

/**
 * Of a host that registers: what it has, less what is claimed there. It is counted anew, for its agent may not have told of
 * cells for a while.
 */
export async function countCells(
  tx: Tx,
  { hostId, cells }: Pick<RegisterHost, 'hostId' | 'cells'>,
  capacityOf: (vcpus: number) => number,
): Promise<string | null> {
  if (cells === undefined) return null
  const empty = cells.map(
    ({ numaNode, vcpus, memoryMib }): StoredCell => ({
      ...{ numaNode, allocatableVcpus: vcpus },
      vcpus: { capacity: capacityOf(vcpus), used: 0 },
      memoryMib: { capacity: memoryMib, used: 0 },
    }),
  )
  return JSON.stringify(changeCells(empty, await listShares(tx, hostId), 1))
}

/** An instance in a place of a reservation has nothing beside what that place has. */
async function listShares(tx: Tx, hostId: string): Promise<readonly CellShare[]> {
  const running = await tx
    .selectFrom('instances')
    .select('demand')
    .where('host_id', '=', hostId)
    .where('holds', '=', 'everything')
    .execute()
  const kept = await tx
    .selectFrom('reservation_slots')
    .select('demand')
    .where('host_id', '=', hostId)
    .execute()
  const own = running.map(demandOf).filter(({ slotUid }) => slotUid === undefined)
  return [...own, ...kept.map(demandOf)].flatMap(({ cells = [] }) => cells)
}

const demandOf = ({ demand }: { readonly demand: string }) => JSON.parse(demand) as Demand

/** By its zone's overcommit of now. */
export const resizeCells = (cells: string | null, capacityOf: (vcpus: number) => number): string | null =>
  cells === null
    ? null
    : JSON.stringify(
        parseCells(cells).map((cell) => ({
          ...cell,
          vcpus: { ...cell.vcpus, capacity: capacityOf(cell.allocatableVcpus) },
        })),
      )
