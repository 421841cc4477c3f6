import { afterEach, beforeEach, expect, it } from 'vitest'
import { watchStream } from '../../../cli/client/watch.ts'
import { systemClock } from '../../../lib/clock.ts'
import { systemRandom } from '../../../lib/random.ts'
import { instancesPath, type Region, startRegion } from '../../scheduler/api/region.ts'

let region: Region
beforeEach(async () => {
  region = await startRegion()
})
afterEach(() => region.close())

it('tells of a change while the stream goes on', async () => {
  const interruption = new AbortController()
  const seen = Promise.withResolvers<string>()
  const watching = watchStream({
    url: `${region.url}${instancesPath}`,
    token: await region.issuer.tokenFor('project-x9y8z7:viewer'),
    clock: systemClock,
    random: systemRandom,
    signal: interruption.signal,
    onChanged: ({ id }) => seen.resolve(id),
    onLeft: () => {},
    onDeleted: () => {},
  })
  const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small'
  await region.call('POST', instancesPath, { body: { type, id: 'first' } })
  expect(await seen.promise).toBe('first')
  interruption.abort()
  await watching
})
