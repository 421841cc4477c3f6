// Lab hosts with the agent on each under its unit, joined by a trunk where there is more than one, and one scheduler
// outside. In: names. Out: handles of all of it, and one close that leaves nothing.
import { execFileSync } from 'node:child_process'
import { openRegion, projectId, type Region } from '../e2e/region.ts'
import { smallImages } from '../e2e/small-images.ts'
import { repositoryRoot } from '../support/imports.ts'
import {
  forwardScheduler,
  imagesInLab,
  type LabAgentSettings,
  readAgentAddress,
  shareImages,
  startLabAgent,
} from './agent.ts'
import { bootHost, type HostOptions, type LabHost } from './host.ts'
import { ensureHostImage } from './host-image.ts'
import { openTrunk, type Trunk } from './trunk.ts'

export interface LabFleet {
  readonly region: Region
  readonly hosts: readonly LabHost[]
  /** Undefined for a host alone. */
  readonly trunk: Trunk | undefined
  /** The way of a host's agent to the scheduler, which ends with the host's boot. */
  reconnect(host: LabHost): Promise<void>
  close(): Promise<void>
}

export async function openFleet(
  names: readonly string[],
  options: {
    host?: Omit<HostOptions, 'name' | 'trunk'>
    agent?: LabAgentSettings | ((hostName: string) => LabAgentSettings)
    /** Before the agent starts. */
    prepare?: (host: LabHost, trunk: Trunk | undefined) => Promise<unknown>
  } = {},
): Promise<LabFleet> {
  const closers: (() => Promise<void> | void)[] = []
  const close = async () => {
    for (const one of closers.toReversed()) await one()
  }
  try {
    const images = await smallImages()
    execFileSync('npm', ['run', '--silent', 'bundle:agent'], { cwd: repositoryRoot })
    const trunk = names.length > 1 ? openTrunk(names[0] ?? '') : undefined
    if (trunk !== undefined) closers.push(() => trunk.close())
    const region = await openRegion(imagesInLab(images))
    closers.push(() => region.close())
    // Once, and not by each host.
    await ensureHostImage(options.host?.say, options.host?.further)
    const hosts = await settleAll(
      names.map((name) => bootHost({ ...options.host, name, ...(trunk === undefined ? {} : { trunk }) })),
      (host) => closers.push(() => host.close()),
    )
    await region.startScheduler()
    const { agent, prepare } = options
    await settleAll(
      hosts.map(async (host) => {
        shareImages(host, images)
        await prepare?.(host, trunk)
        await startLabAgent(host, region, typeof agent === 'function' ? agent(host.name) : agent)
      }),
    )
    return {
      region,
      hosts,
      trunk,
      reconnect: (host) => forwardScheduler(host, readAgentAddress(region)),
      close,
    }
  } catch (thrown) {
    await close()
    throw thrown
  }
}

/** The same region for whoever asks in another project. */
export const inProject = (region: Region, id: string): Region => ({
  ...region,
  call: (method, path, ...rest) =>
    region.call(method, path.replace(`/projects/${projectId}/`, `/projects/${id}/`), ...rest),
})

/** All of them have come to an end when it throws, and what came of the others is known. */
async function settleAll<Value>(
  work: readonly Promise<Value>[],
  onValue: (value: Value) => void = () => {},
): Promise<readonly Value[]> {
  const settled = await Promise.allSettled(work)
  for (const one of settled) if (one.status === 'fulfilled') onValue(one.value)
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason
    return one.value
  })
}

export function theOnly<One>(list: readonly One[]): One {
  const [one, ...others] = list
  if (one === undefined || others.length > 0) throw new Error(`There are ${list.length}.`)
  return one
}
