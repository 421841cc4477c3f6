import { createTurns } from '../../../lib/turns.ts'
import type { Exec, Files } from '../../host/ports.ts'
import { renderForwardingGuard, renderGatewayRemoval } from '../../plan/gateway-ruleset.ts'
import { sharedGatewayTableName } from '../../plan/names.ts'
import type { AgentDirectories } from '../../plan/paths.ts'

/** The host's forwarding, on no more interfaces than gateways need. */
export interface HostForwarding {
  ensure(uplink: string, port: string): Promise<void>
  /** Those of these interfaces that forward. */
  readOn(links: readonly string[]): Promise<ReadonlySet<string>>
  /** The last gateway has gone: what was changed is as before. */
  restore(): Promise<void>
}

export function createHostForwarding(options: {
  exec: Exec
  files: Files
  directories: AgentDirectories
}): HostForwarding {
  const { exec, files, directories } = options
  const { alone } = createTurns()
  /** Names the interface that would not forward without us. */
  const notePath = `${directories.run}/gateway-forwarding`
  const load = (text: string) => exec.run('nft', ['-f', '-'], { stdin: text })

  const readNote = async () => {
    const content = await files.read(notePath)
    return content === undefined ? undefined : new TextDecoder().decode(content)
  }
  const isOn = async (setting: string) => {
    const { stdout } = await exec.run('sysctl', ['-n', `net/ipv4/${setting}`])
    return stdout.trim() === '1'
  }

  const restore = async () => {
    const noted = await readNote()
    if (noted === undefined) return
    // -e: the interface may have gone.
    await exec.run('sysctl', ['-q', '-e', '-w', `${forwardingOf(noted)}=0`])
    await load(renderGatewayRemoval(sharedGatewayTableName))
    await files.remove(notePath)
  }

  /** A host that routes by its owner's wish is no business of ours; on any other nothing else begins to pass. */
  const ensureUplink = async (uplink: string) => {
    const noted = await readNote()
    if (await isOn('ip_forward')) {
      if (noted === undefined) return
      await load(renderGatewayRemoval(sharedGatewayTableName))
      await files.remove(notePath)
      return
    }
    if (noted !== undefined && noted !== uplink) await restore()
    if (noted !== uplink) {
      if (await isOn(`conf/${uplink}/forwarding`)) return
      await files.writeAtomic(notePath, uplink, { durable: false })
    }
    await load(renderForwardingGuard(uplink))
  }

  return {
    ensure: (uplink, port) =>
      alone('', async () => {
        await ensureUplink(uplink)
        const settings = [uplink, port].map((link) => `${forwardingOf(link)}=1`)
        await exec.run('sysctl', ['-q', '-w', ...settings])
      }),
    readOn: async (links) => {
      const { stdout } = await exec.run('sysctl', ['-e', ...links.map(forwardingOf)])
      return new Set(
        links.filter((link) => stdout.split('\n').includes(`net.ipv4.conf.${shownAs(link)}.forwarding = 1`)),
      )
    },
    restore: () => alone('', restore),
  }
}

/** With slashes: the name of an interface may have dots. */
const forwardingOf = (link: string) => `net/ipv4/conf/${link}/forwarding`
const shownAs = (link: string) => link.replaceAll('.', '/')
