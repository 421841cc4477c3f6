import type { Exec } from '../../../host/ports.ts'
import { ExecError } from '../../../host/ports.ts'
import { domainName } from '../../../plan/names.ts'

export const libvirtUri = 'qemu:///system'

/** libvirt did not do as it was asked. Whether a guest runs is said by `no-domain` alone, and by its process. */
export class VirshError extends Error {
  override readonly name = 'VirshError'
  /** It knows no such domain; it can't be asked; or it refuses. */
  readonly kind: 'no-domain' | 'unreachable' | 'refused'

  constructor(kind: VirshError['kind'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}

/** One command of virsh, on the domain of one guest. */
export type Virsh = (
  instanceUid: string,
  command: string,
  args?: readonly string[],
  options?: { readonly timeoutMs?: number },
) => Promise<string>

export const virshArgs = (...words: readonly string[]): readonly string[] => [
  ...['--quiet', '--connect', libvirtUri],
  ...words,
]

/** @throws VirshError */
export function createVirsh({ exec }: { exec: Exec }): Virsh {
  return async (instanceUid, command, args = [], options = {}) => {
    try {
      // A domain that is made or restored is named by its definition.
      const domain = command === 'create' || command === 'restore' ? [] : [domainName(instanceUid)]
      const { stdout } = await exec.run('virsh', virshArgs(command, ...domain, ...args), options)
      return stdout.trim()
    } catch (thrown) {
      if (!(thrown instanceof ExecError)) throw thrown
      throw new VirshError(kindOf(thrown), lastWordsOf(thrown), { cause: thrown })
    }
  }
}

function kindOf({ kind, stderr }: ExecError): VirshError['kind'] {
  if (kind !== 'exit' || /failed to connect to the hypervisor|client socket is closed/.test(stderr)) {
    return 'unreachable'
  }
  return /failed to get domain|Domain not found|domain is not running/.test(stderr) ? 'no-domain' : 'refused'
}

/** libvirt says first what could not be done, and last why; QEMU's own words are the end of that. */
function lastWordsOf(error: ExecError): string {
  const said = error.kind === 'exit' ? error.stderr.trim() : ''
  if (said === '') return error.message
  return (said.split('\n').at(-1) ?? '')
    .replace(/^error: /, '')
    .replace(/^internal error: /, '')
    .replace(/^(qemu unexpectedly closed the monitor|process exited while connecting to monitor): /, '')
    .replace(/^unable to execute QEMU command '[^']+': /, '')
    .replace(/^\S+Z qemu-system-\w+: /, '')
    .replace(/\.$/, '')
}
