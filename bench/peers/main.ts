// Beside other programs that choose hosts, in one run: npm run bench:peers -- [--hail-hosts 100] [--placement-hosts 1000]
// [--runs 5] [--requests 20] [--json]
//
// hail of Ganeti is given a cluster with five instances on each host and one more to place; Berth is given the same file in
// a process of its own, and as it really works. OpenStack Placement and Berth find a host for an instance with a GPU and
// claim it, each in a database on the same disk, one request at a time. What is not installed is left out.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { say } from '../figures.ts'
import { type HailFigures, type Measured, measureHail } from './hail.ts'
import { measurePlacement, type PlacementFigures } from './placement.ts'

const { values } = parseArgs({
  options: {
    'hail-hosts': { type: 'string', default: '100' },
    'placement-hosts': { type: 'string', default: '1000' },
    runs: { type: 'string', default: '5' },
    requests: { type: 'string', default: '20' },
    json: { type: 'boolean', default: false },
  },
})

const ms = (millis: number) => `${millis.toPrecision(3)} ms`
const times = (theirs: number, ours: number) => `${Math.round(theirs / ours)} x`

const directory = mkdtempSync(join(tmpdir(), 'berth-bench-peers-'))
try {
  const hail = measureHail({ directory, hosts: Number(values['hail-hosts']), runs: Number(values.runs) })
  const placement = await measurePlacement({
    ...{ directory, hosts: Number(values['placement-hosts']), requests: Number(values.requests) },
  })
  if (values.json)
    process.stdout.write(`${JSON.stringify({ hail: told(hail), placement: told(placement) })}\n`)
  else {
    tell(hail, tellHail)
    tell(placement, tellPlacement)
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}

function told<Figures extends object>(figures: Figures) {
  return Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [
      name,
      typeof value === 'number' ? Number(value.toPrecision(4)) : (value as unknown),
    ]),
  )
}

function tell<Figures extends { readonly kind: 'measured' }>(
  measured: Measured<Figures>,
  print: (figures: Figures) => void,
): void {
  if (measured.kind === 'measured') print(measured)
  else say('left out', (measured as { readonly why: string }).why)
}

function tellHail(found: HailFigures): void {
  const { hailMillis, hailUncheckedMillis, hailSeveralMillis, berthProcessMillis, berthMillis } = found
  say(`one more instance on ${found.hosts} hosts, by hail`, ms(hailMillis))
  say('  without its check of what could start anew', ms(hailUncheckedMillis))
  say('  without it, and several in one process, each', ms(hailSeveralMillis))
  say(
    '  by Berth in a process of its own',
    `${ms(berthProcessMillis)}: ${times(hailMillis, berthProcessMillis)}, without that check ${(hailUncheckedMillis / berthProcessMillis).toFixed(1)} x`,
  )
  say(
    '  by Berth as it works: an index that stays',
    `${ms(berthMillis)}: ${times(hailUncheckedMillis, berthMillis)}, several ${times(hailSeveralMillis, berthMillis)} (goal 30)`,
  )
}

function tellPlacement(found: PlacementFigures): void {
  const { placementFindMillis, placementClaimMillis, berthFindMillis, berthClaimMillis } = found
  const [theirs, ours] = [placementFindMillis + placementClaimMillis, berthFindMillis + berthClaimMillis]
  say(`a GPU found and claimed on ${found.hosts} hosts, by Placement`, ms(theirs))
  say('  found, claimed', `${ms(placementFindMillis)}, ${ms(placementClaimMillis)}`)
  say('  by Berth', `${ms(ours)}: ${times(theirs, ours)} (goal 100)`)
  say('  found, claimed', `${ms(berthFindMillis)}, ${ms(berthClaimMillis)}`)
}
