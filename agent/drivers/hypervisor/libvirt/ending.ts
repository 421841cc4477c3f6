// How a guest of libvirt's has ended. libvirt ends QEMU with its guest, whoever of both was first, and writes into the
// domain's own log why: that is there whether an agent was, and whether libvirt has been started again since.
import type { Clock } from '../../../../lib/clock.ts'
import type { Files } from '../../../host/ports.ts'
import { domainName } from '../../../plan/names.ts'
import { type Virsh, VirshError } from './virsh.ts'

const logDirectory = '/var/log/libvirt/qemu'
const tailBytes = 64 * 1024
/** From the end of the process until libvirt has noted it. */
const noteTimeoutMs = 10_000
const notePollMs = 100

/**
 * In libvirt's words, of a guest whose process is gone: `shutdown` where the guest has powered itself off. undefined where it
 * has said nothing. Where libvirt itself does not answer, nobody has ended it in peace.
 */
export async function readEndReason(
  doors: { readonly files: Files; readonly clock: Clock; readonly virsh: Virsh },
  instanceUid: string,
): Promise<string | undefined> {
  const { files, clock, virsh } = doors
  const untilMs = clock.monotonicMs() + noteTimeoutMs
  for (;;) {
    const isNoted = !(await isKnown(virsh, instanceUid))
    const reason = parseEndReason(await readTail(files, `${logDirectory}/${domainName(instanceUid)}.log`))
    if (reason !== undefined || isNoted || clock.monotonicMs() > untilMs) return reason
    await clock.sleep(notePollMs)
  }
}

async function isKnown(virsh: Virsh, instanceUid: string): Promise<boolean> {
  try {
    await virsh(instanceUid, 'domstate')
    return true
  } catch (thrown) {
    if (thrown instanceof VirshError && thrown.kind !== 'refused') return false
    throw thrown
  }
}

async function readTail(files: Files, path: string): Promise<string> {
  const sizeBytes = (await files.stat(path))?.sizeBytes ?? 0
  if (sizeBytes === 0) return ''
  const start = Math.max(0, sizeBytes - tailBytes)
  return new TextDecoder().decode(await files.readRange(path, start, tailBytes))
}

/** Of the domain's last run: each begins and ends with a line of libvirt's. */
export function parseEndReason(log: string): string | undefined {
  const lastRun = log.slice(Math.max(0, log.lastIndexOf(': starting up libvirt version')))
  return /^\S+ \S+: shutting down, reason=(\S+)$/m.exec(lastRun)?.[1]
}
