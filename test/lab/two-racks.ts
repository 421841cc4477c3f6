// Three guests of one network on two lab hosts, and what is asked of them.
import { type Region, waitUntil } from '../e2e/region.ts'
import { type LabGuest, type LabNetwork, ping } from './guests.ts'
import type { Trunk } from './trunk.ts'

/** What the tests are about. `near` and `next` are on one host, `far` is on the other. */
export interface TwoRacks {
  readonly region: Region
  readonly trunk: Trunk
  readonly network: LabNetwork
  readonly near: LabGuest
  readonly next: LabGuest
  readonly far: LabGuest
}

/**
 * The agent looks every two seconds. On an emulated host whose machine is busy a program of Node's takes two minutes to
 * start, all the same: the limit ends a broken test, and the figure is told.
 */
const soonMs = 240_000

export const askMetadata = 'timeout 5 wget -q -O - http://169.254.169.254/meta-data'

/** Of three tries: a busy machine is late now and then. */
export async function reaches(guest: LabGuest, address: string): Promise<boolean> {
  const tries = `for try in 1 2 3; do ${ping(address)} > /dev/null && echo reached && break; done`
  return (await guest.ask(tries)).includes('reached')
}

/** DHCP gives it its address, DNS knows its name, and metadata is its own. */
export const isServed = async (guest: LabGuest) => (await askServices(guest)).isServed

/** Who is not served may have asked too busy a host; what is foreign has come from somebody else. */
export async function askServices(
  guest: LabGuest,
): Promise<{ isServed: boolean; foreign: readonly string[] }> {
  const said = await guest.ask(
    [
      `printf '#!/bin/sh\\n[ "$1" = bound ] && echo "lease $ip $router"\\n' > /tmp/lease && chmod +x /tmp/lease`,
      'timeout 10 udhcpc -i eth0 -n -q -t 3 -T 1 -s /tmp/lease 2> /dev/null',
      'timeout 5 nslookup $(hostname) | tail -n +3',
      askMetadata,
    ].join('\n'),
  )
  const lines = said
    .replaceAll('\r', '')
    .split('\n')
    .map((line) => line.trimEnd())
  const lease = `lease ${guest.address}`
  const hasName = lines.some((line) => line.startsWith('Address') && line.endsWith(` ${guest.address}`))
  return {
    isServed: lines.includes(lease) && hasName && said.includes(guest.uid),
    foreign: lines.filter((line) =>
      line.startsWith('lease ') ? line !== lease : line.includes('instance-id') && !line.includes(guest.uid),
    ),
  }
}

/** Polls, and tells how long it took. */
export async function heals(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const beganMs = performance.now()
  await waitUntil(`it is well after: ${what}`, isSo, soonMs)
  tell(`${what}: ${((performance.now() - beganMs) / 1000).toFixed(1)} s`)
}

/** Figures for whoever looks. */
export const tell = (line: string) => void process.stderr.write(`${line}\n`)
