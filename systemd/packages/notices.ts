import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The licences of npm packages, each in its folder, by name. */
export function renderNotices(folders: readonly string[]): string {
  return folders
    .map((folder) => ({ folder, ...readManifest(folder) }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ folder, name, version, license = 'see below' }) => {
      const texts = readdirSync(folder)
        .filter((file) => /^(licen[cs]e|notice|copying)/i.test(file))
        .sort()
        .map((file) => readFileSync(join(folder, file), 'utf8').trim())
      return [`== ${name} ${version} (${license}) ==`, ...texts, ''].join('\n\n')
    })
    .join('\n')
}

interface Manifest {
  readonly name: string
  readonly version: string
  readonly license?: string
}

const readManifest = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
