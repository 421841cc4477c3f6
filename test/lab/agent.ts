// The agent on a lab host, under its systemd unit, with the scheduler of a region outside.
import { copyFileSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parse, stringify } from 'yaml'
import type { TestImage } from '../e2e/images.ts'
import { isAgentConnected, type Region, waitUntil } from '../e2e/region.ts'
import { repositoryRoot } from '../support/imports.ts'
import type { LabHost } from './host.ts'

const prefix = 'file:///lab/'

/** The same images under the names that they have on lab hosts. */
export function imagesInLab(images: readonly TestImage[]): readonly TestImage[] {
  const moved = (url: string) => (url.startsWith('file:///nowhere') ? url : `${prefix}${basename(url)}`)
  return images.map((image) => ({
    ...image,
    url: moved(image.url),
    ...(image.directKernel === undefined
      ? {}
      : {
          directKernel: {
            ...image.directKernel,
            kernel: { ...image.directKernel.kernel, url: moved(image.directKernel.kernel.url) },
            initrd: { ...image.directKernel.initrd, url: moved(image.directKernel.initrd.url) },
          },
        }),
  }))
}

/** Puts the files of the images where the host finds them. */
export function shareImages(host: LabHost, images: readonly TestImage[]): void {
  for (const { url, directKernel } of images) {
    for (const file of [url, directKernel?.kernel.url, directKernel?.initrd.url]) {
      const path = file?.slice('file://'.length)
      if (path !== undefined && !path.startsWith('/nowhere'))
        copyFileSync(path, join(host.share, basename(path)))
    }
  }
}

/** Beside those of the region. */
export type LabAgentSettings = Readonly<Record<string, unknown>>

/** Installs units and settings, starts the agent, and waits until the region has it. */
export async function startLabAgent(
  host: LabHost,
  region: Region,
  more: LabAgentSettings = {},
): Promise<void> {
  const settings = parse(readFileSync(join(region.directory, 'agent.yaml'), 'utf8')) as {
    scheduler: { address: string }
    directories?: unknown
  }
  const { directories: _here, ...agent } = settings
  await host.exec('mkdir -p /etc/berth && cat > /etc/berth/agent.yaml', {
    input: stringify({ ...agent, ...more, hostId: host.name }),
  })
  await host.exec(
    'cp /opt/berth/systemd/berth-* /etc/systemd/system/ && mkdir -p /etc/systemd/system/berth-agent.service.d',
  )
  await host.exec('cat > /etc/systemd/system/berth-agent.service.d/lab.conf', { input: runFromRepository() })
  await host.exec('systemctl daemon-reload && systemctl enable berth-agent')
  await forwardScheduler(host, settings.scheduler.address)
  await host.exec('systemctl start berth-agent')
  try {
    await waitUntil('the agent is connected', () => isAgentConnected(region, host.name), 300_000)
  } catch (thrown) {
    const { stdout } = await host.exec('journalctl -u berth-agent -n 50 --no-pager', { mayFail: true })
    throw new Error(stdout, { cause: thrown })
  }
}

/** The bundle of the repository instead of a package's. */
function runFromRepository(): string {
  const unit = readFileSync(join(repositoryRoot, 'systemd/berth-agent.service'), 'utf8')
  const command = /^ExecStart=(.*)$/m.exec(unit)?.[1] ?? ''
  const here = command
    .replace('/usr/lib/berth-agent/node', '/opt/berth/node_modules/.bin/node')
    .replaceAll('/usr/lib/berth-agent/', '/opt/berth/dist/agent/')
  return `[Service]\nExecStart=\nExecStart=${here}\n`
}

/** Where agents of the region find its scheduler. */
export const readAgentAddress = (region: Region): string =>
  (
    parse(readFileSync(join(region.directory, 'agent.yaml'), 'utf8')) as {
      scheduler: { address: string }
    }
  ).scheduler.address

/** The agent speaks to loopback, which leads out of the host. */
export const forwardScheduler = (host: LabHost, address: string) =>
  host.forward(Number(address.split(':').at(-1)))
