// Runs inside a network's namespace for a moment: listens on the metadata address there, gives the socket to the
// keeper, which started it, and ends.
import { createServer } from 'node:net'

const server = createServer()
server.on('error', (error) => {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
})
server.listen({ host: '169.254.169.254', port: 80, backlog: 511 }, () => {
  // The handle, not the server: a server would start to accept in the keeper.
  const { _handle: handle } = server as unknown as { _handle: never }
  process.send?.({}, handle, {}, () => process.exit(0))
})
