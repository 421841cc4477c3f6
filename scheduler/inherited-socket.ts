import { ConfigError, readEnvironment } from '../lib/config.ts'

/** As sd_listen_fds(3) has it. */
const firstSocket = 3

type Environment = (name: string) => string | undefined

/** From systemd, where it listens before this program does: the descriptor of the socket that HTTP comes by; undefined where the settings say where to listen. */
export function findInheritedSocket(ownPid: number, environment: Environment = readEnvironment) {
  // The variables may be those of a process above this one.
  if (environment('LISTEN_PID') !== String(ownPid)) return undefined
  const count = environment('LISTEN_FDS')
  if (count === '1') return firstSocket
  throw new ConfigError(`berth-scheduler.socket gives ${count ?? 'no'} sockets: name one ListenStream.`)
}
