// Prints the document that a scheduler of this version serves: node scheduler/api/print-openapi.ts > docs/openapi.json
import { systemClock } from '../../lib/clock.ts'
import { silentLogger } from '../../lib/log.ts'
import { systemRandom } from '../../lib/random.ts'
import { buildServer } from './server.ts'

const nothing = () => {
  throw new Error('Nothing is asked of a server that only describes itself.')
}
const server = await buildServer({
  // Routes are registered and none is called.
  ports: {
    catalogue: { region: '', zones: [], images: [], projects: [], hostnameTemplate: '' },
    ...{ clock: systemClock, random: systemRandom, log: silentLogger },
  } as never,
  verifier: { verify: nothing },
  login: { issuer: '', audience: '' },
  requestsPerMinute: 1,
})
const { body } = await server.inject({ method: 'GET', url: '/openapi.json' })
process.stdout.write(`${JSON.stringify(JSON.parse(body), null, 2)}\n`)
