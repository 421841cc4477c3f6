// The switch that lab hosts are plugged into: a bridge in a namespace of its own, which passes VLAN tags on as they are.
// In: names. Out: a tap for each uplink of a host, and namespaces of strangers that are plugged in as well. All that is
// plugged in is one Ethernet; nothing of it reaches this machine's own networks.
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { type GuestNamespace, makeGuestNamespace, program } from '../agent/drivers/network/guest-namespace.ts'

export interface Trunk {
  readonly namespace: string
  /** Frames larger than an access network's pass, as between real racks. */
  readonly mtu: number
  /** A tap for QEMU to open within the namespace; the same one whenever it is asked for. */
  plug(hostName: string, uplink: number): string
  /** A switch whose port has lost its cable forgets who was behind it. */
  setCable(hostName: string, uplink: number, isPlugged: boolean): void
  /** Whoever else has a cable to the switch: sends and captures frames as they are. */
  plugStranger(name: string, macAddress: string): GuestNamespace
  close(): void
}

const bridge = 'trunk'
const mtu = 9000

export function openTrunk(name: string): Trunk {
  // A test that was killed may have left one of this name.
  const namespace = `berth-trunk-${name}-${process.pid}`
  const strangers: GuestNamespace[] = []
  program('ip', ['netns', 'add', namespace])
  const inside = (...args: readonly string[]) => program('ip', ['-n', namespace, ...args])
  inside('link', 'set', 'dev', 'lo', 'up')
  inside('link', 'add', 'name', bridge, 'type', 'bridge')
  execFileSync('ip', ['netns', 'exec', namespace, 'sysctl', '-q', '-w', 'net.ipv6.conf.all.disable_ipv6=1'])
  inside('link', 'set', 'dev', bridge, 'up')
  const join = (port: string) =>
    inside('link', 'set', 'dev', port, 'mtu', String(mtu), 'master', bridge, 'up')
  const tapOf = (hostName: string, uplink: number) =>
    `lt${createHash('sha256').update(hostName).digest('hex').slice(0, 8)}u${uplink}`

  return {
    namespace,
    mtu,
    plug: (hostName, uplink) => {
      const tap = tapOf(hostName, uplink)
      if (spawnSync('ip', ['-n', namespace, 'link', 'show', 'dev', tap]).status !== 0) {
        inside('tuntap', 'add', 'dev', tap, 'mode', 'tap')
        join(tap)
      }
      return tap
    },
    setCable: (hostName, uplink, isPlugged) => {
      inside('link', 'set', 'dev', tapOf(hostName, uplink), isPlugged ? 'up' : 'down')
    },
    plugStranger: (strangerName, macAddress) => {
      const port = `ls${createHash('sha256').update(strangerName).digest('hex').slice(0, 8)}`
      const stranger = makeGuestNamespace({ name: `${namespace}-${strangerName}`, tap: port, macAddress })
      strangers.push(stranger)
      program('ip', ['link', 'set', 'dev', port, 'netns', namespace])
      join(port)
      // What it says in others' names is for the hosts to hold back: a switch that believed it would lead their frames astray.
      program('bridge', ['-n', namespace, 'link', 'set', 'dev', port, 'learning', 'off'])
      return stranger
    },
    close: () => {
      for (const stranger of strangers) stranger.remove()
      spawnSync('ip', ['netns', 'delete', namespace])
    },
  }
}
