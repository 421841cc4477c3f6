// Berth as hail is: a process that reads the whole cluster from a file, answers one request, and ends. node
// bench/peers/berth-process.ts FILE
import { readFileSync } from 'node:fs'
import { indexOf } from '../../scheduler/placement/index.ts'
import { demandOf } from './cluster.ts'
import { type HailRequest, hostsIn } from './hail-request.ts'

const request = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as HailRequest
const verdict = indexOf(hostsIn(request)).place(demandOf(0), 'seed')
process.stdout.write(`${JSON.stringify(verdict.kind === 'placed' ? [verdict.hostId] : [])}\n`)
