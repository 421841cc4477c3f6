// The agent's end of guests' attributes: makes the files that the metadata worker writes, and reads them. The worker talks
// to guests and may be anybody's by now: the directory is not its own, so that a file here is never a link or somebody
// else's, and of its content no more is read than may be there.
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { metadataUser } from '../drivers/metadata/metadata-user.ts'
import { attributeLimits, type GuestAttribute, readSlots } from '../metadata/guest-attributes.ts'
import { instancePaths } from '../plan/paths.ts'
import type { InstancePorts } from './ports.ts'

type Ports = Pick<InstancePorts, 'files' | 'directories'>

/** Where the guest may put attributes; undefined where it may not. What it has put before stays. */
export async function ensureAttributeSlots(
  { files, directories }: Ports,
  { uid, metadata }: InstanceSpec,
): Promise<readonly [string, string] | undefined> {
  const isEnabled = metadata.some(
    ({ key, value }) => key === 'enable-guest-attributes' && /^true$/i.test(value),
  )
  if (!isEnabled) return undefined
  const { attributeSlots } = instancePaths(directories, uid)
  for (const path of attributeSlots) {
    if (await files.stat(path)) continue
    await files.writeAtomic(path, '', { mode: 0o600, owner: metadataUser })
  }
  return attributeSlots
}

export async function readAttributes(
  { files, directories }: Ports,
  instanceUid: string,
): Promise<readonly GuestAttribute[]> {
  const read = async (path: string) => {
    if (!(await files.stat(path))) return undefined
    const content = await files.readRange(path, 0, attributeLimits.slotBytes + 1)
    return content.length > attributeLimits.slotBytes ? undefined : new TextDecoder().decode(content)
  }
  const [first, second] = instancePaths(directories, instanceUid).attributeSlots
  return readSlots([await read(first), await read(second)]).attributes
}
