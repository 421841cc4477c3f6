import { createServer } from 'node:net'
import { CliError, exitCodes } from '../exit-codes.ts'

/** Whether something could listen there; with port 0, on which port. undefined: taken. */
async function tryPort(port: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (thrown: NodeJS.ErrnoException) => {
      if (thrown.code === 'EADDRINUSE') resolve(undefined)
      else
        reject(new CliError(`Port ${port} can't be used: ${thrown.message}.`, { exitCode: exitCodes.usage }))
    })
    server.listen(port, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined))
    })
  })
}

/** The one from before, so that settings stay as they were, else any that is free. */
export async function choosePort(before?: number): Promise<number> {
  const port = (before === undefined ? undefined : await tryPort(before)) ?? (await tryPort(0))
  if (port === undefined) throw new CliError('No port is free on 127.0.0.1.', { exitCode: exitCodes.trouble })
  return port
}

/** The API's port is promised to users: if it is taken, they choose. */
export async function requirePort(port: number): Promise<number> {
  const free = await tryPort(port)
  if (free !== undefined) return free
  throw new CliError(
    `Port ${port} on 127.0.0.1 is taken by another program: stop it, or choose another with --port ${port + 1} (0: any free one).`,
    { exitCode: exitCodes.usage },
  )
}
