// The token issuer of a region on this machine, for development only: a scheduler finds the keys here that it verifies
// tokens with, as it would at a real OpenID provider. In: a file of public keys. Out: two documents over HTTP, on
// loopback. Never hands out a token and never sees the private key: `berth dev` signs tokens for its own user.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { port: { type: 'string' }, jwks: { type: 'string' } } })
const port = Number(values.port)
if (values.jwks === undefined || !Number.isInteger(port)) {
  process.stderr.write('Usage: main --port PORT --jwks FILE\n')
  process.exit(2)
}

const issuer = `http://127.0.0.1:${port}`
const keys = readFileSync(values.jwks, 'utf8')
const discovery = JSON.stringify({
  issuer,
  jwks_uri: `${issuer}/jwks.json`,
  response_types_supported: ['id_token'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: ['EdDSA'],
})
const documents: Readonly<Record<string, string>> = {
  '/.well-known/openid-configuration': discovery,
  '/jwks.json': keys,
}

const server = createServer((request, response) => {
  const document = documents[request.url ?? '']
  response.writeHead(document === undefined ? 404 : 200, { 'content-type': 'application/json' })
  response.end(document ?? '{}')
})
server.listen(port, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ ready: true, issuer, note: 'for development only' })}\n`)
})
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0))
