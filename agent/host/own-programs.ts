import { fileURLToPath } from 'node:url'

// Programs of the agent's own, each an entry file. As written they lie where they belong; in the bundle all lie beside one
// another, under these names.
const entries = {
  main: '../main.ts',
  'exec-worker': './linux-exec-worker.ts',
  'metadata-keeper': '../metadata/main.ts',
  'metadata-worker': '../metadata/worker.ts',
  'metadata-socket': '../metadata/open-socket.ts',
} as const

export type OwnProgram = keyof typeof entries

const isBundled = !import.meta.url.endsWith('.ts')

export const ownProgram = (name: OwnProgram): string =>
  fileURLToPath(new URL(isBundled ? `./${name}.js` : entries[name], import.meta.url))

export const ownPrograms = Object.keys(entries) as readonly OwnProgram[]

/** V8 (nodejs/node issue 64500) now and then ends a process while it compiles WebAssembly a second time, as for types. */
const everyonesFlags = ['--liftoff-only']
/** For who waits nearly all of the time: machine code of what runs once a second is memory for nothing. */
const thriftyFlags = [
  ...everyonesFlags,
  '--no-opt',
  '--no-maglev',
  '--optimize-for-size',
  '--max-semi-space-size=1',
]

/** Guests' questions are answered as fast as can be; all else is as small as can be. */
const flagsOf = (name: OwnProgram) => (name === 'metadata-worker' ? everyonesFlags : thriftyFlags)

/** What Node is started with to run it. */
export const nodeWordsOf = (name: OwnProgram): readonly string[] => [...flagsOf(name), ownProgram(name)]
