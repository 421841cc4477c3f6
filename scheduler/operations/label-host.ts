import type { HostId } from '../../proto/ids.ts'
import { checkLabels } from '../admission/labels.ts'
import { refuse, refuseAll } from '../errors.ts'
import type { LabelPatch } from '../model/label-patch.ts'
import { maximumHostLabels } from '../store/host-store.ts'
import { refuseHost } from './change-host.ts'
import { type HostView, listHosts } from './list-hosts.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'

/** What is null goes, what is not named stays. */
export async function labelHost(
  { hostId, patch }: { readonly hostId: HostId; readonly patch: LabelPatch },
  ports: OperationPorts,
): Promise<Outcome<HostView>> {
  const written = Object.entries(patch ?? {}).flatMap(([key, value]) =>
    value === null ? [] : [[key, value]],
  )
  const [first, ...others] = checkLabels(Object.fromEntries(written) as Record<string, string>)
  if (first !== undefined) return refuseAll([first, ...others])
  const outcome = await ports.store.labelHost({ hostId, patch, nowMs: ports.clock.nowMs() })
  if (outcome.kind === 'not-found') return refuseHost(hostId, ports)
  if (outcome.kind === 'too-many') {
    const message = `A host has at most ${maximumHostLabels} labels.`
    return refuse('INVALID_LABEL', { message }, 'labels')
  }
  const host = (await listHosts(ports)).find((one) => one.hostId === hostId)
  return host === undefined ? refuseHost(hostId, ports) : done(host)
}
