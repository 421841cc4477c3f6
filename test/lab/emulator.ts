// The QEMU that lab hosts run on: Debian 13's, in a folder of its own, whatever this machine has. In those before 8.1 a
// processor can keep the translation of code that another one has patched meanwhile: kernels died of, or hung in, a
// breakpoint that was no longer there (int3 in a jump label).
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A command line without the machine's arguments. */
export type Emulator = readonly string[]

/** Fetched once on a machine, in a minute. */
export function ensureEmulator(say: (line: string) => void = () => {}): Emulator {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'berth')
  const folder = join(cache, 'lab-qemu-trixie')
  if (!existsSync(folder)) {
    say("Fetching Debian 13's QEMU for lab hosts")
    mkdirSync(cache, { recursive: true })
    const draft = mkdtempSync(join(cache, 'draft-'))
    try {
      const tree = join(draft, 'tree')
      execFileSync('mmdebstrap', [
        '--quiet',
        '--variant=extract',
        '--include=qemu-system-x86',
        'trixie',
        tree,
      ])
      renameSync(tree, folder)
    } finally {
      rmSync(draft, { recursive: true, force: true })
    }
  }
  // By its own linker: this machine's libraries are older.
  const libraries = join(folder, 'usr/lib/x86_64-linux-gnu')
  return [
    ...[join(libraries, 'ld-linux-x86-64.so.2'), '--library-path', libraries],
    join(folder, 'usr/bin/qemu-system-x86_64'),
    ...['qemu', 'seabios'].flatMap((firmware) => ['-L', join(folder, 'usr/share', firmware)]),
  ]
}
