// What a host's /sys and /proc said, as one text: for a host that a bug report is about, and for tests.
import type { Sysfs } from '../host/ports.ts'

export type RecordedEntry =
  | { readonly kind: 'file'; readonly text: string }
  | { readonly kind: 'link'; readonly target: string }
  /** It is there, and nobody has looked into it. */
  | { readonly kind: 'name' }

export type Recording = ReadonlyMap<string, RecordedEntry>

/** A Sysfs that remembers each answer: what is recorded is what the agent looks at, nothing besides. */
export function recordSysfs(sysfs: Sysfs): { readonly sysfs: Sysfs; recording(): Recording } {
  const entries = new Map<string, RecordedEntry>()
  const readLink = async (path: string) => {
    const target = await sysfs.readLink(path)
    if (target !== undefined) entries.set(path, { kind: 'link', target })
  }
  return {
    sysfs: {
      read: async (path) => {
        const text = await sysfs.read(path)
        if (text !== undefined) entries.set(path, { kind: 'file', text: shorten(path, text) })
        return text
      },
      list: async (path) => {
        const names = await sysfs.list(path)
        for (const name of names) {
          if (!entries.has(`${path}/${name}`)) entries.set(`${path}/${name}`, { kind: 'name' })
        }
        return names
      },
      readLinkName: async (path) => {
        await readLink(path)
        return sysfs.readLinkName(path)
      },
      readLink: async (path) => {
        await readLink(path)
        return sysfs.readLink(path)
      },
      readBytes: (path, maxBytes) => sysfs.readBytes(path, maxBytes),
      write: (path, value) => sysfs.write(path, value),
    },
    recording: () => withoutImpliedNames(entries),
  }
}

/** All processors say the same of themselves: one is enough. */
function shorten(path: string, text: string): string {
  return path === 'proc/cpuinfo' ? (text.split('\n\n')[0] ?? '') : text
}

/** A name is implied by what is known below it. */
function withoutImpliedNames(entries: Recording): Recording {
  const paths = [...entries.keys()].sort(byCodePoint)
  return new Map(
    paths.flatMap((path, index) => {
      const entry = entries.get(path)
      if (entry === undefined) return []
      const isImplied = entry.kind === 'name' && hasBelow(paths, index, path)
      return isImplied ? [] : [[path, entry] as const]
    }),
  )
}

/** What begins alike but goes on otherwise, such as `cpu0-x` after `cpu0`, may stand between. */
function hasBelow(paths: readonly string[], index: number, path: string): boolean {
  for (let next = index + 1; paths[next]?.startsWith(path); next += 1) {
    if (paths[next]?.startsWith(`${path}/`)) return true
  }
  return false
}

const byCodePoint = (a: string, b: string) => (a < b ? -1 : Number(a > b))

/** A line each: `path = value`, `path -> target`, `path/`. Values are as in a JSON string, without its quotes. */
export function renderRecording(recording: Recording): string {
  return `${[...recording].map(([path, entry]) => renderEntry(path, entry)).join('\n')}\n`
}

function renderEntry(path: string, entry: RecordedEntry): string {
  switch (entry.kind) {
    case 'file':
      return `${path} = ${JSON.stringify(entry.text).slice(1, -1)}`.trimEnd()
    case 'link':
      return `${path} -> ${entry.target}`
    case 'name':
      return `${path}/`
  }
}

/** @throws with the line that is none. */
export function parseRecording(text: string): Recording {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line): [string, RecordedEntry] => {
      const [, path = '', sign, value = ''] = /^(\S+?)(?: (=|->)(?: (.*))?|\/)$/.exec(line) ?? []
      if (path === '') throw new Error(`This is no line of a recording: ${line}`)
      if (sign === '=') return [path, { kind: 'file', text: JSON.parse(`"${value}"`) as string }]
      return [path, sign === '->' ? { kind: 'link', target: value } : { kind: 'name' }]
    }),
  )
}
