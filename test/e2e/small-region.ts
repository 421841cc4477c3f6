import { type HostState, readHostState } from './host-state.ts'
import { type Daemon, openRegion, type Region } from './region.ts'
import { smallImages } from './small-images.ts'

export interface SmallRegion {
  readonly region: Region
  readonly scheduler: Daemon
  readonly agent: Daemon
  /** Of the host, which has no guest yet. */
  readonly before: HostState
}

/** With guests that are up in seconds, and both daemons at work. */
export async function openSmallRegion(): Promise<SmallRegion> {
  const region = await openRegion(await smallImages())
  try {
    const scheduler = await region.startScheduler()
    const agent = await region.startAgent()
    return { region, scheduler, agent, before: readHostState(region.directory) }
  } catch (thrown) {
    await region.close()
    throw thrown
  }
}
