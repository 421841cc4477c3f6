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

export const ownProgram = (name: OwnProgram): URL =>
  new URL(isBundled ? `./${name}.js` : entries[name], import.meta.url)

export const ownPrograms = Object.keys(entries) as readonly OwnProgram[]

/** V8 (nodejs/node issue 64500) now and then ends a process while it compiles WebAssembly a second time, as for types. */
export const nodeFlags = ['--liftoff-only'] as const
