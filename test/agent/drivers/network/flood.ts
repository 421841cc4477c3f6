// Forged frames as fast as one process sends them, and a count of those that arrive.
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Cast, hexMac, nameFrames } from './frames.ts'
import { startInside } from './guest-namespace.ts'
import { forgedKinds } from './matrix.ts'

const script = (name: string) => join(import.meta.dirname, name)

/** From the guest's namespace, in the names of all others of the cast. */
export async function flood(
  namespace: string,
  cast: Cast,
  { seed = 1, count, vlanTags = '' }: { seed?: number; count: number; vlanTags?: string },
) {
  const stations = [cast.own, cast.other, cast.service].flatMap(({ mac, ip }) => [hexMac(mac), ip])
  const args = [String(seed), String(count), ...stations, vlanTags]
  const child = startInside(namespace, 'perl', [script('flood.pl'), ...args])
  child.stdin.end(
    nameFrames(forgedKinds(cast))
      .map(({ hex }) => `${hex}\n`)
      .join(''),
  )
  const said = await text(child.stdout)
  if (said !== `sent ${count}\n`) throw new Error(`The flood has ended early: ${said}`)
}

export interface Watched {
  readonly seen: number
  readonly forged: number
  /** Some of the forged ones, in hex. */
  readonly samples: readonly string[]
}

/** What comes in at a link of a namespace during the work, where one MAC alone may speak to it. */
export async function watchFor(
  at: { namespace: string; link: string; honestMac: string },
  work: () => Promise<unknown>,
): Promise<Watched> {
  const child = startInside(at.namespace, 'perl', [script('watch.pl'), at.link, hexMac(at.honestMac)])
  const said = text(child.stdout)
  await new Promise((ready) => child.stdout.once('data', ready))
  await work()
  child.stdin.end()
  const [seen, forged, ...samples] = ((await said).trim().split('\n')[1] ?? '').split(' ')
  return { seen: Number(seen), forged: Number(forged), samples }
}
