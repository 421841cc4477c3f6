// What dpkg and people read of a package beside its files. In: its definition. Out: texts.
import type { PackageDefinition } from './definitions.ts'

/** QEMU's program is the one for this. */
export const architecture = 'amd64'
const maintainer = 'Berth maintainers <maintainers@berth.invalid>'

export function renderControl(
  { name, section, depends, recommends, suggests, summary, description }: PackageDefinition,
  { version, sizeKib }: { version: string; sizeKib: number },
): string {
  const list = (field: string, names: readonly string[]) =>
    names.length === 0 ? [] : [`${field}: ${names.join(', ')}`]
  return [
    `Package: ${name}`,
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${maintainer}`,
    `Installed-Size: ${sizeKib}`,
    ...list('Depends', depends),
    ...list('Recommends', recommends),
    ...list('Suggests', suggests),
    `Section: ${section}`,
    'Priority: optional',
    `Description: ${summary}`,
    description.map(fold).join('\n .\n'),
    '',
  ].join('\n')
}

export function renderChangelog({ name }: PackageDefinition, version: string, epochSeconds: number): string {
  const date = new Date(epochSeconds * 1000).toUTCString().replace('GMT', '+0000')
  return `${name} (${version}) stable; urgency=medium\n\n  * This version.\n\n -- ${maintainer}  ${date}\n`
}

export function renderCopyright(name: string): string {
  return [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/',
    'Upstream-Name: Berth',
    '',
    'Files: *',
    'Copyright: 2026 the authors of Berth',
    'License: Apache-2.0',
    ' On Debian systems the text of this licence is in /usr/share/common-licenses/Apache-2.0.',
    ` Node.js and npm packages inside have licences of their own: /usr/share/doc/${name}/notices.gz`,
    '',
  ].join('\n')
}

/** Lines of a paragraph, each as a control file wants it. */
const fold = (paragraph: string) => paragraph.replaceAll(/(.{1,76})(?: +|$)/g, ' $1\n').trimEnd()
