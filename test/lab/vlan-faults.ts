// What somebody does to the network of guests that run, on the host or with its cables. The agent puts right what can be
// put right, and no guest is touched.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { bridgeName, firewallTableName, uplinkPortName } from '../../agent/plan/names.ts'
import { carryOutVerb, type InstanceBody } from '../e2e/instances.ts'
import { instancePath, isAgentConnected, waitUntil } from '../e2e/region.ts'
import { readFilters } from './guests.ts'
import type { LabHost } from './host.ts'
import { askMetadata, heals, isServed, reaches, type TwoRacks, tell } from './two-racks.ts'

const repairIntervalMs = 2000
/** Emulated, on two cores, and a shell that asks. */
const slownessMs = 20_000

export const faultTests = (racks: () => TwoRacks) =>
  describe('whose network somebody breaks', { timeout: 900_000 }, () => {
    let lab: TwoRacks
    let host: LabHost
    let pids: readonly string[]
    const readPids = () => Promise.all([lab.near, lab.next, lab.far].map((guest) => guest.readPid()))

    beforeEach(async () => {
      lab = racks()
      host = lab.near.host
      pids = await readPids()
    })

    afterEach(async () => {
      expect(await readPids()).toEqual(pids)
    })

    it('go on over the other cable of a bond', async () => {
      for (const cut of [0, 1]) {
        await host.setCable(cut, false)
        await heals(`cable ${cut} of the bond is cut, and both reach each other`, async () => {
          const active = await host.exec('cat /sys/class/net/bond0/bonding/active_slave')
          return (
            active.stdout.trim() === `eth${2 - cut}` &&
            (await reaches(lab.near, lab.far.address)) &&
            (await reaches(lab.far, lab.near.address))
          )
        })
        await host.setCable(cut, true)
        await waitUntil('the cable is known to be plugged', async () => {
          const { stdout } = await host.exec(`cat /sys/class/net/eth${cut + 1}/operstate`)
          return stdout.trim() === 'up'
        })
      }
    })

    it('reach each other again once a cut uplink is plugged', async () => {
      await lab.far.host.setCable(0, false)
      await waitUntil('the far guest is cut off', async () => !(await reaches(lab.near, lab.far.address)))
      expect(await reaches(lab.near, lab.next.address)).toBe(true)
      // It is asked by its own host.
      expect(await lab.far.ask(askMetadata)).toContain(lab.far.uid)
      await lab.far.host.setCable(0, true)
      await heals('the uplink is plugged again', () => reaches(lab.near, lab.far.address))
      expect(await reaches(lab.far, lab.near.address)).toBe(true)
    })

    it('get DHCP and DNS back from a dnsmasq that was killed', async () => {
      await host.exec(`kill -9 $(cat /run/berth/networks/${lab.network.uid}/dnsmasq.pid)`)
      await heals('dnsmasq is killed', () => isServed(lab.near))
      expect(await reaches(lab.near, lab.far.address)).toBe(true)
    })

    it('get their metadata back from a service that was killed', async () => {
      const keeper = `$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/' /run/berth/metadata.pid)`
      for (const [what, kill] of [
        ['the metadata worker is killed', `pkill -9 -P ${keeper}`],
        ['keeper and worker are killed', `k=${keeper}; kill -9 $k $(pgrep -P $k)`],
      ] as const) {
        await host.exec(kill)
        await heals(what, async () => (await lab.near.ask(askMetadata)).includes(lab.near.uid))
      }
      expect(await lab.next.ask(askMetadata)).toContain(lab.next.uid)
    })

    it('are cut off where all filters are flushed, and come back filtered', async () => {
      const ports = [lab.near.tap, lab.next.tap, uplinkPortName(lab.network.uid)]
      const whole = { tap: true, uplink: true }
      expect(await readFilters(lab.near, lab.network)).toEqual(whole)
      const watch = await watchLinks(host)
      await host.exec('date +%s.%N > /run/flushed && nft flush ruleset')
      await heals('the rule set is flushed', async () => {
        const seen = await Promise.all([lab.near, lab.next].map((guest) => readFilters(guest, lab.network)))
        if (seen.some(({ tap, uplink }) => !tap || !uplink)) return false
        return (await reaches(lab.near, lab.next.address)) && (await reaches(lab.near, lab.far.address))
      })
      const flushedMs = Number((await host.exec('cat /run/flushed')).stdout) * 1000
      const changes = await watch.end()
      for (const port of ports) {
        const own = changes.filter(({ link, atMs }) => link === port && atMs > flushedMs)
        const wentDown = own.find(({ isUp }) => !isUp)
        const afterMs = (wentDown?.atMs ?? Number.NaN) - flushedMs
        tell(`${port} went down ${afterMs.toFixed(0)} ms after the flush`)
        expect(afterMs).toBeLessThan(repairIntervalMs + slownessMs)
        expect(own.at(-1)?.isUp).toBe(true)
      }
    })

    it('find their bridge made again, and a later agent finds its namespaces', async () => {
      await host.exec(`ip link delete dev ${bridgeName(lab.network.uid)}`)
      await heals('the bridge is deleted', () => allReach(lab))
      await host.exec('systemctl restart berth-agent')
      const { stdout } = await host.exec(
        'for name in $(ip netns list | cut -d" " -f1); do ip netns exec $name ip -o link show dev svc0 > /dev/null && echo entered; done',
      )
      expect(stdout.trim().split('\n')).toEqual(['entered'])
      expect(await allReach(lab)).toBe(true)
      await waitUntil('the new agent is there', () => isAgentConnected(lab.region, host.name), 500_000)
      // The new agent looks as the old one did.
      await host.exec(`ip link delete dev ${bridgeName(lab.network.uid)}`)
      await heals('the bridge is deleted, under a new agent', () => allReach(lab))
      expect(await isServed(lab.next)).toBe(true)
    })

    it('have their firewall again where somebody deletes it', async () => {
      const network = `${instancePath().replace(/instances$/, 'networks')}/${lab.network.id}`
      const deny = async (defaultIngress: string) => {
        const { status } = await lab.region.call('PATCH', network, { defaultIngress })
        expect(status).toBe(200)
      }
      const opens = async () =>
        (await lab.near.ask(`echo exit | timeout 4 nc ${lab.next.address} 7000 && echo open`)).includes(
          'open',
        )
      expect(await opens()).toBe(true)
      await deny('DENY')
      await heals('ingress is denied', async () => !(await opens()))
      await host.exec(`nft delete table bridge ${firewallTableName(lab.network.uid)}`)
      expect(await opens()).toBe(true)
      await heals('the firewall is deleted', async () => !(await opens()))
      await deny('ALLOW')
      await heals('ingress is allowed', opens)
    })

    it('are told of a tap that was deleted, and get a NIC with the next start', async () => {
      const read = async () =>
        (await lab.region.call<InstanceBody>('GET', instancePath('next'))).body.lifecycle.statusMessage
      await host.exec(`ip link delete dev ${lab.next.tap}`)
      await heals('the tap is deleted, and told', async () =>
        /^nic0 is cut off: .*Stop and start/.test(await read()),
      )
      expect(await reaches(lab.near, lab.far.address)).toBe(true)
      const before = await lab.next.readPid()
      await carryOutVerb(lab.region, 'next', 'stop', { force: true })
      await carryOutVerb(lab.region, 'next', 'start')
      await heals('it is started again', () => reaches(lab.next, lab.far.address))
      expect(await read()).not.toContain('cut off')
      expect(await lab.next.readPid()).not.toBe(before)
      // This one was to end.
      pids = await readPids()
    })
  })

async function allReach({ near, next, far }: TwoRacks): Promise<boolean> {
  if (!(await reaches(near, next.address)) || !(await reaches(near, far.address))) return false
  return (await near.ask(askMetadata)).includes(near.uid)
}

interface LinkChange {
  readonly atMs: number
  readonly link: string
  readonly isUp: boolean
}

/** What the kernel says of links until the end. */
async function watchLinks(host: LabHost): Promise<{ end(): Promise<readonly LinkChange[]> }> {
  const log = '/run/links.log'
  const { stdout } = await host.exec(`ip -ts -o monitor link > ${log} 2>&1 < /dev/null & echo $!`)
  return {
    end: async () => {
      await host.exec(`kill ${stdout.trim()}`)
      const lines = (await host.exec(`cat ${log}`)).stdout.split('\n')
      // [2026-01-31T12:00:00.123456] 5: bb1: <BROADCAST,UP> mtu …
      return lines.flatMap((line) => {
        const [, time, link, flags = ''] = /^\[(\S+)\] *\d+: ([^:@]+)(?:@\S+)?: <([^>]*)>/.exec(line) ?? []
        if (time === undefined || link === undefined) return []
        return [{ atMs: Date.parse(`${time}Z`), link, isUp: flags.split(',').includes('UP') }]
      })
    },
  }
}
