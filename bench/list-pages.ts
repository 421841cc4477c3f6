// Does a page of a long list cost what the first one costs? node bench/list-pages.ts [instances]
//
// Fills a project, then reads the first page, one in the middle and the last one over HTTP, without and with a filter.

import { projectId } from '../proto/ids.ts'
import { placementOf } from '../test/contract/store-values.ts'
import { instancesPath, startRegion } from '../test/scheduler/api/region.ts'
import { say, timeOf } from './figures.ts'

const count = Number(process.argv[2] ?? 100_000)
const region = await startRegion()
const [host] = (await region.store.readHostsChangedAfter(0)).hosts
if (host === undefined) throw new Error('The region has no host.')
const zone = host.zone
const filling = performance.now()
for (let first = 0; first < count; first += 500) {
  await Promise.all(
    Array.from({ length: Math.min(500, count - first) }, (_, offset) => {
      const number = first + offset
      const input = placementOf(number, { project: projectId('project-x9y8z7'), hostId: host.hostId })
      const details = { ...input.details, labels: { team: number % 100 === 0 ? 'rare' : 'many' } }
      const demand = { ...input.demand, zone, vcpus: 0, memoryMib: 0, diskGb: 0 }
      return region.store.commitPlacement({ ...input, details, demand })
    }),
  )
}
const seconds = (performance.now() - filling) / 1000
say(`instances committed (${count})`, `${Math.round(count / seconds)} a second`)

async function readPages(query: string): Promise<readonly string[]> {
  const tokens: string[] = ['']
  for (let token: string | undefined = ''; token !== undefined; ) {
    const { body } = await region.call('GET', `${instancesPath}?pageSize=500${query}${pageOf(token)}`)
    token = body.nextPageToken as string | undefined
    if (token !== undefined) tokens.push(token)
  }
  return tokens
}
const pageOf = (token: string) => (token === '' ? '' : `&pageToken=${encodeURIComponent(token)}`)

for (const [name, query] of [
  ['all', ''],
  ['filter labels.team:many', '&filter=labels.team%3Amany'],
  ['filter labels.team:rare', '&filter=labels.team%3Arare'],
  ['order by id desc', '&orderBy=id%20desc'],
  ['order by updatedAt', '&orderBy=updatedAt'],
] as const) {
  const tokens = await readPages(query)
  const read = (token: string) => region.call('GET', `${instancesPath}?pageSize=50${query}${pageOf(token)}`)
  const [first, middle, last] = [0, Math.floor(tokens.length / 2), tokens.length - 1].map(
    (at) => tokens[at] ?? '',
  )
  const times = []
  for (const token of [first, middle, last]) times.push(await timeOf(41, () => read(token ?? '')))
  const [base = 0, ...others] = times
  say(
    `page of 50, ${name}`,
    `first ${base.toFixed(2)} ms, middle ${((others[0] ?? 0) / base).toFixed(2)} x, last ${((others[1] ?? 0) / base).toFixed(2)} x`,
  )
}
await region.close()
