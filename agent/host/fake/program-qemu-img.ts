import type { FakeProgram, ProgramResult } from './fake-exec.ts'
import type { FakeFiles } from './fake-files.ts'

const qcow2Magic = 0x514649fb

/**
 * qemu-img, as far as the agent uses it: makes qcow2 files whose header is real, so that the agent's own parser reads
 * them, grows them, and copies images and folders into them.
 */
export function qemuImgProgram(files: FakeFiles): FakeProgram {
  return async (args) => {
    const [verb, ...rest] = args
    if (verb === 'create') return create(files, rest)
    if (verb === 'resize') return resize(files, rest)
    if (verb === 'convert') return convert(files, rest)
    if (verb === 'info') return info(files, rest)
    throw new Error(`The fake host has no 'qemu-img ${args.join(' ')}'.`)
  }
}

async function create(files: FakeFiles, args: readonly string[]): Promise<ProgramResult> {
  const [path = '', size = ''] = args.slice(-2)
  const base = args.includes('-b') ? args[args.indexOf('-b') + 1] : undefined
  if (base !== undefined && !(await files.stat(base))) {
    return { code: 1, stderr: `qemu-img: ${path}: Could not open '${base}': No such file or directory` }
  }
  return placeQcow2(files, path, Number(size))
}

async function resize(files: FakeFiles, args: readonly string[]): Promise<ProgramResult> {
  const [path = '', size = ''] = args.slice(-2)
  const known = await files.stat(path)
  if (!known) return { code: 1, stderr: `qemu-img: Could not open '${path}'` }
  return placeQcow2(files, path, Number(size), known)
}

/** Into a target that is there: its own size stays. */
async function convert(files: FakeFiles, args: readonly string[]): Promise<ProgramResult> {
  const [source = '', target = ''] = args.slice(-2)
  if (args.includes('--image-opts')) return writeFolder(files, source, target)
  if (!args.includes('-n')) throw new Error('The fake qemu-img copies only into what is there.')
  for (const path of [source, target]) {
    if (!(await files.stat(path))) return { code: 1, stderr: `qemu-img: Could not open '${path}'` }
  }
  return {}
}

/** driver=vvfat,dir=…: the disk is not real, but it is there and as large. */
async function writeFolder(files: FakeFiles, source: string, target: string): Promise<ProgramResult> {
  const folder = /^driver=vvfat,dir=([^,]+),/.exec(source)?.[1] ?? ''
  if ((await files.stat(folder))?.kind !== 'directory') {
    return { code: 1, stderr: `qemu-img: Could not read directory ${folder}` }
  }
  files.place(target, { content: new Uint8Array(), sizeBytes: 1_474_560, mode: 0o644 })
  return {}
}

async function info(files: FakeFiles, args: readonly string[]): Promise<ProgramResult> {
  const content = await files.read(args.at(-1) ?? '')
  const header = content && new DataView(content.buffer, content.byteOffset, content.byteLength)
  if (!header || header.byteLength < 32 || header.getUint32(0) !== qcow2Magic) {
    return { code: 1, stderr: 'qemu-img: Image is not in qcow2 format' }
  }
  return { stdout: JSON.stringify({ format: 'qcow2', 'virtual-size': Number(header.getBigUint64(24)) }) }
}

function placeQcow2(
  files: FakeFiles,
  path: string,
  virtualBytes: number,
  owner: { uid: number; gid: number; mode: number } = { uid: 0, gid: 0, mode: 0o644 },
): ProgramResult {
  const content = new Uint8Array(112)
  const header = new DataView(content.buffer)
  header.setUint32(0, qcow2Magic)
  header.setUint32(4, 3)
  header.setUint32(20, 16)
  header.setBigUint64(24, BigInt(virtualBytes))
  header.setUint32(100, 104)
  try {
    files.place(path, { content, sizeBytes: 196_616, ...owner })
    return {}
  } catch (thrown) {
    return { code: 1, stderr: `qemu-img: ${path}: ${(thrown as Error).message}` }
  }
}
