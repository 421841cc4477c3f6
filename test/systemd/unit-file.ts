/** A unit as systemd reads it: values by section and key, in order; and what is said beside them. */
export interface UnitFile {
  readonly sections: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>
  readonly comments: string
}

/** @throws where a line is none that systemd knows */
export function parseUnitFile(text: string): UnitFile {
  const sections = new Map<string, Map<string, string[]>>()
  let section: Map<string, string[]> | undefined
  const comments: string[] = []
  for (const line of text.split('\n')) {
    if (line === '') continue
    if (line.startsWith('#')) {
      comments.push(line.slice(1).trim())
      continue
    }
    const name = /^\[(\w+)\]$/.exec(line)?.[1]
    if (name !== undefined) {
      section = sections.get(name) ?? new Map()
      sections.set(name, section)
      continue
    }
    const [, key, value] = /^([A-Z]\w*)=(.*)$/.exec(line) ?? []
    if (section === undefined || key === undefined || value === undefined)
      throw new Error(`What is "${line}"?`)
    section.set(key, [...(section.get(key) ?? []), value])
  }
  return { sections, comments: comments.join(' ') }
}
