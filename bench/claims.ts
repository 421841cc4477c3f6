// Is a GPU ever in two instances? npm run bench:claims -- [--claims 20000] [--json]
//
// Two processes, each with a store of its own on one database, want every GPU of the fleet, many at a time: the same few hundred
// at the same moment, one from the first to the last and the other the other way round. Of hosts, every second has fewer CPUs than GPUs, so that CPUs are fought for as well. What counts is what each process was
// told: of all GPUs and CPUs, who was told that they are his.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Database from 'better-sqlite3'
import { silentLogger } from '../lib/log.ts'
import { hostId } from '../proto/ids.ts'
import { openSqliteStore } from '../scheduler/store/sqlite/sqlite-store.ts'
import { gpus, hostOf, makeZones, placementOf } from '../test/contract/store-values.ts'
import { say } from './figures.ts'

const gpusOfHost = 8
const fewCpus = 6
const atOnce = 32
/** GPUs that are fought for before the next: who is ahead for a moment would win all that come after. */
const inRound = 256
const processes = 2

const hostIdOf = (index: number) => hostId(`host-${index}`)
const addresses = gpus(gpusOfHost)

interface Round {
  readonly first: number
  readonly last: number
}

/** What one process was told. */
interface Told {
  readonly won: readonly number[]
  readonly lost: number
  readonly seconds: number
}

const [role, path = '', turnText = '0'] = process.argv.slice(2)
if (role === 'claim') await claim()
else await main()

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { claims: { type: 'string', default: '20000' }, json: { type: 'boolean', default: false } },
  })
  const hosts = Math.ceil(Number(values.claims) / gpusOfHost)
  const directory = mkdtempSync(join(tmpdir(), 'berth-bench-claims-'))
  const database = join(directory, 'scheduler.sqlite')
  try {
    await fillStore(database, hosts)
    const children = Array.from({ length: processes }, (_, turn) =>
      fork(import.meta.filename, ['claim', database, String(turn)]),
    )
    await Promise.all(children.map((child) => once(child, 'message')))
    const told = await run(children, hosts * gpusOfHost)
    tell(told, countStored(database), values.json)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Round by round, all of them at once. */
async function run(children: readonly ChildProcess[], devices: number): Promise<readonly Told[]> {
  const ask = async (child: ChildProcess, question: Round | 'told') => {
    const answer = once(child, 'message')
    child.send(question)
    const [told] = (await answer) as [Told]
    return told
  }
  for (let first = 0; first < devices; first += inRound) {
    const round = { first, last: Math.min(first + inRound, devices) - 1 }
    await Promise.all(children.map((child) => ask(child, round)))
  }
  return Promise.all(children.map((child) => ask(child, 'told')))
}

async function fillStore(database: string, hosts: number): Promise<void> {
  const store = await openSqliteStore({ path: database, log: silentLogger })
  await makeZones(store)
  for (let first = 0; first < hosts; first += 500) {
    await Promise.all(
      Array.from({ length: Math.min(500, hosts - first) }, (_, offset) => {
        const vcpus = (first + offset) % 2 === 0 ? gpusOfHost : fewCpus
        return store.registerHost(hostOf({ hostId: hostIdOf(first + offset), vcpus }))
      }),
    )
  }
  await store.close()
}

async function claim(): Promise<void> {
  const turn = Number(turnText)
  const store = await openSqliteStore({ path, log: silentLogger })
  const won: number[] = []
  let lost = 0
  let seconds = 0

  async function claimOne(device: number): Promise<void> {
    const address = addresses[device % gpusOfHost]
    const outcome = await store.commitPlacement(
      placementOf(device * processes + turn, {
        hostId: hostIdOf(Math.floor(device / gpusOfHost)),
        devices: address === undefined ? [] : [address],
      }),
    )
    if (outcome.kind === 'committed') won.push(device)
    else if (outcome.kind === 'claim-lost') lost += 1
    else throw new Error(`A claim ended as ${outcome.kind}.`)
  }

  async function fight({ first, last }: Round): Promise<void> {
    const beganMs = performance.now()
    let next = first
    const work = async () => {
      while (next <= last) {
        next += 1
        await claimOne(turn === 0 ? next - 1 : first + last - (next - 1))
      }
    }
    await Promise.all(Array.from({ length: atOnce }, work))
    seconds += (performance.now() - beganMs) / 1000
  }

  process.on('message', (question: Round | 'told') => {
    if (question === 'told') {
      void store.close().then(() => {
        process.send?.({ won, lost, seconds } satisfies Told, undefined, {}, () => process.disconnect())
      })
      return
    }
    void fight(question).then(() => process.send?.('fought'))
  })
  process.send?.('ready')
}

interface Stored {
  readonly claims: number
  /** Hosts on which more is taken than there is, or not as much as its instances have. */
  readonly hostsAmiss: number
  /** What all hosts can have at most. */
  readonly room: number
}

function countStored(database: string): Stored {
  const sqlite = new Database(database, { readonly: true })
  const count = (sql: string) => (sqlite.prepare(sql).get() as { count: number }).count
  const stored = {
    claims: count('SELECT count(*) AS count FROM device_claims'),
    hostsAmiss: count(`SELECT count(*) AS count FROM hosts WHERE vcpus_used > vcpus_capacity
      OR vcpus_used <> (SELECT count(*) FROM instances WHERE instances.host_id = hosts.host_id)
      OR vcpus_used <> (SELECT count(*) FROM device_claims WHERE device_claims.host_id = hosts.host_id)`),
    room: count(`SELECT sum(min(vcpus_capacity, ${gpusOfHost})) AS count FROM hosts`),
  }
  sqlite.close()
  return stored
}

function tell(told: readonly Told[], { claims, hostsAmiss, room }: Stored, json: boolean): void {
  const owners = told.flatMap(({ won }) => won)
  const figures = {
    claims: owners.length,
    doubleClaims: owners.length - new Set(owners).size,
    untrueClaims: Math.abs(owners.length - claims),
    hostsAmiss,
    left: room - claims,
    lostRaces: told.reduce((sum, one) => sum + one.lost, 0),
    claimsPerSecond: Math.round(owners.length / Math.max(...told.map((one) => one.seconds))),
  }
  const isAmiss = figures.doubleClaims + figures.untrueClaims + hostsAmiss + figures.left > 0
  process.exitCode = isAmiss ? 1 : 0
  if (json) {
    process.stdout.write(`${JSON.stringify(figures)}\n`)
    return
  }
  say(`GPUs claimed by ${processes} processes`, `${figures.claims}, ${figures.claimsPerSecond} a second`)
  say('  by each', told.map(({ won }) => won.length).join(', '))
  say('  races lost', `${figures.lostRaces}`)
  say('  claimed twice', `${figures.doubleClaims} (goal 0)`)
  say('  told and not stored, or stored and not told', `${figures.untrueClaims} (goal 0)`)
  say('  hosts whose CPUs are not those of their instances', `${hostsAmiss} (goal 0)`)
  say('  left although somebody wanted it', `${figures.left} (goal 0)`)
}
