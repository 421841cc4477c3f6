import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, expect, it } from 'vitest'
import { silentLogger } from '../../../lib/log.ts'
import { instanceUid } from '../../../proto/ids.ts'
import { openSqliteStore } from '../../../scheduler/store/sqlite/sqlite-store.ts'
import { project, readHost } from '../../contract/store-values.ts'

const rounds = 4
const perRound = 1_000_000
const folder = mkdtempSync(join(tmpdir(), 'berth-crash-'))
const path = join(folder, 'scheduler.sqlite')
afterAll(() => rmSync(folder, { recursive: true }))

/** What the child was told is on disk before it was killed in the middle of its work. */
async function runUntilKilled(round: number): Promise<readonly string[]> {
  const program = join(import.meta.dirname, 'crash-child.ts')
  const child = spawn(process.execPath, [program, path, String(round * perRound)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const lines: string[] = []
  const enough = 1 + Math.floor(Math.random() * 150)
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length === enough) child.kill('SIGKILL')
  }
  const [, signal] = (await exited) as [number | null, string | null]
  expect(signal).toBe('SIGKILL')
  return lines.filter((line) => /^(committed|released) \S{36}$/.test(line))
}

it('a scheduler that is killed loses nothing that it acknowledged and leaves nothing half made', async () => {
  const said: string[] = []
  for (let round = 0; round < rounds; round += 1) {
    said.push(...(await runUntilKilled(round)))
    const store = await openSqliteStore({ path, log: silentLogger })
    try {
      const instances = await store.listInstances({ project, limit: 1e6 })
      const released = new Set(instances.filter(({ holds }) => holds === 'nothing').map(({ uid }) => uid))
      const known = new Set(instances.map(({ uid }) => uid))
      for (const line of said) {
        const [what, uid = ''] = line.split(' ')
        expect(what === 'released' ? released : known).toContain(instanceUid(uid))
      }
      const held = known.size - released.size
      const host = await readHost(store)
      expect([host.vcpus.used, host.memoryMib.used, host.diskGb.used]).toEqual([held, held * 1024, held * 10])
      const outbox = await store.readOutbox({ hostId: host.hostId, fromSequence: 0, limit: 1e6 })
      expect(outbox.map(({ sequence }) => Number(sequence))).toEqual(instances.map((_, index) => index + 1))
      const addresses = instances
        .filter(({ holds }) => holds !== 'nothing')
        .map(({ details }) => details.nics[0]?.ipv4Address)
      expect(new Set(addresses).size).toBe(held)
    } finally {
      await store.close()
    }
  }
  expect(said.length).toBeGreaterThan(rounds)
})
