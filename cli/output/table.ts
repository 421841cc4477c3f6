import Table from 'cli-table3'

const none = Object.fromEntries(
  ['top', 'bottom', 'left', 'right', 'mid', 'top-mid', 'bottom-mid', 'left-mid', 'mid-mid', 'right-mid'].map(
    (name) => [name, ''],
  ),
)
const withoutLines = {
  ...none,
  'top-left': '',
  'top-right': '',
  'bottom-left': '',
  'bottom-right': '',
  middle: '  ',
}

/** Columns without lines: they can be cut and searched like any text. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({
    head: [...head],
    chars: withoutLines,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  for (const row of rows) table.push([...row])
  return trimLines(table.toString())
}

/** One thing: a name and its value on each line. */
export function renderFields(fields: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...fields.map(([name]) => name.length))
  return trimLines(fields.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n'))
}

const trimLines = (text: string) => text.replaceAll(/[ \t]+$/gm, '')
