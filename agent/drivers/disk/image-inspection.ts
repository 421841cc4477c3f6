// Decides whether a file that came from elsewhere may be a guest's disk. Our own reading of the header comes first;
// then QEMU's, as a user that owns nothing, with limits, so that what exploits qemu-img gains little.
import { type TSchema, Type } from 'typebox'
import { Value } from 'typebox/value'
import { type Exec, ExecError, type Files } from '../../host/ports.ts'
import { foreignFormatBytes, parseForeignFormat } from './foreign-format.ts'
import { parseQcow2Header, qcow2HeaderBytes } from './qcow2-header.ts'

export type ImageVerdict =
  | { readonly kind: 'accepted'; readonly virtualBytes: number }
  /** The rest of a sentence that starts with the image's name. */
  | { readonly kind: 'refused'; readonly because: string }

const memoryLimitBytes = 1024 ** 3
const cpuLimitSeconds = 20
const sectorBytes = 512

const infoSchema = Type.Object({
  format: Type.String(),
  'virtual-size': Type.Integer({ minimum: 1 }),
  'backing-filename': Type.Optional(Type.Unknown()),
  encrypted: Type.Optional(Type.Boolean()),
}) satisfies TSchema

export async function inspectImage(options: {
  exec: Exec
  files: Files
  path: string
  format: 'raw' | 'qcow2'
  /** The file's group may read it. */
  reader: { uid: number; gid: number }
}): Promise<ImageVerdict> {
  const { files, path, format } = options
  const sizeBytes = (await files.stat(path))?.sizeBytes ?? 0
  if (sizeBytes === 0) return { kind: 'refused', because: 'is empty' }
  if (format === 'qcow2') {
    const verdict = parseQcow2Header(await files.readRange(path, 0, qcow2HeaderBytes), sizeBytes)
    return verdict.kind === 'refused' ? verdict : inspectWithQemu(options, verdict.virtualBytes)
  }
  const foreign = parseForeignFormat(await files.readRange(path, 0, foreignFormatBytes))
  if (foreign !== undefined) {
    return {
      kind: 'refused',
      because: `is registered as raw but is a ${foreign} file: ${adviceFor(foreign)}`,
    }
  }
  return { kind: 'accepted', virtualBytes: Math.ceil(sizeBytes / sectorBytes) * sectorBytes }
}

const adviceFor = (format: string) =>
  ['gzip', 'xz', 'zstd', 'bzip2'].includes(format)
    ? 'unpack it before it is published'
    : 'register it under its own format, or convert it with qemu-img convert'

async function inspectWithQemu(
  options: Parameters<typeof inspectImage>[0],
  virtualBytes: number,
): Promise<ImageVerdict> {
  const { exec, path, format, reader } = options
  let output: string
  try {
    const info = ['qemu-img', 'info', '--output=json', '-f', format, path]
    const limits = [
      'prlimit',
      `--as=${memoryLimitBytes}`,
      `--cpu=${cpuLimitSeconds}`,
      '--fsize=0',
      '--core=0',
    ]
    const identity = ['--reuid', String(reader.uid), '--regid', String(reader.gid), '--clear-groups']
    const bounds = ['--no-new-privs', '--inh-caps=-all', '--bounding-set=-all']
    const args = [...identity, ...bounds, ...limits, ...info]
    output = (await exec.run('setpriv', args, { timeoutMs: 3 * cpuLimitSeconds * 1000 })).stdout
  } catch (thrown) {
    // A missing program is this host's fault, not the image's.
    if (!(thrown instanceof ExecError) || thrown.kind === 'not-found') throw thrown
    return {
      kind: 'refused',
      because: `can't be read by QEMU as ${format}: rebuild it and check it with qemu-img check`,
    }
  }
  const info = parseInfo(output)
  const agrees =
    info?.format === format &&
    info['virtual-size'] === virtualBytes &&
    info['backing-filename'] === undefined &&
    info.encrypted !== true
  return agrees
    ? { kind: 'accepted', virtualBytes }
    : { kind: 'refused', because: 'is read by QEMU as something else than its header says: rebuild it' }
}

function parseInfo(text: string) {
  try {
    return Value.Parse(infoSchema, JSON.parse(text))
  } catch {
    return undefined
  }
}
