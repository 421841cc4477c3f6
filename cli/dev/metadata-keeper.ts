import { createConnection } from 'node:net'
import { join } from 'node:path'
import type { DataDirectory } from './data-directory.ts'

/**
 * Ends the metadata service of the host on this machine. It outlives the agent on purpose, and so has to be told when
 * the whole host goes. Returns at once where there is none.
 */
export async function endMetadataKeeper({ agentRun }: DataDirectory): Promise<void> {
  await new Promise<void>((resolve) => {
    const socket = createConnection(join(agentRun, 'metadata.sock'))
    socket.setTimeout(5000, () => socket.destroy())
    socket.on('connect', () => socket.write('{"id":1,"verb":"end"}\n'))
    // No such socket, or nobody behind it; and the answer is that the connection ends.
    socket.on('error', () => {})
    socket.on('data', () => {})
    socket.on('close', () => resolve())
  })
}
