// Commits in bursts until it is killed, and says each outcome once the store has acknowledged it.
import { silentLogger } from '../../../lib/log.ts'
import { InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { openSqliteStore } from '../../../scheduler/store/sqlite/sqlite-store.ts'
import { addressOf, hostOf, makeZones, observationOf, placementOf } from '../../contract/store-values.ts'

const [path = '', first = '0'] = process.argv.slice(2)
const store = await openSqliteStore({ path, log: silentLogger })
await makeZones(store)
await store.registerHost(hostOf({ vcpus: 1e6, memoryMib: 1e9, diskGb: 1e9 }))

async function makeOne(number: number): Promise<void> {
  const nic = addressOf(0, { ipv4Cidr: '10.0.0.0/16', macAddress: `mac-${number}` })
  const outcome = await store.commitPlacement(placementOf(number, { addresses: [nic] }))
  if (outcome.kind !== 'committed') throw new Error(`Not committed: ${JSON.stringify(outcome)}`)
  const { uid } = outcome.instance
  console.log(`committed ${uid}`)
  if (number % 3 !== 0) return
  await store.applyObservation(observationOf(uid, { phase: InstancePhase.FAILED, released: true }))
  console.log(`released ${uid}`)
}

for (let next = Number(first); ; next += 8) {
  await Promise.all(Array.from({ length: 8 }, (_, index) => makeOne(next + index)))
}
