import { usageError } from '../exit-codes.ts'

export const outputFormats = ['table', 'json', 'yaml', 'name'] as const
export type OutputFormat = (typeof outputFormats)[number]

export interface Rendering<Value> {
  readonly table: (value: Value) => string | Promise<string>
  /** One line for each resource: what scripts pass on. */
  readonly names: (value: Value) => readonly string[]
}

export function parseOutputFormat(text: string): OutputFormat {
  const format = outputFormats.find((candidate) => candidate === text)
  if (format === undefined) throw usageError(`--output ${text}: choose one of ${outputFormats.join(', ')}.`)
  return format
}

export async function renderOutput<Value>(
  value: Value,
  format: OutputFormat,
  rendering: Rendering<Value>,
): Promise<string> {
  switch (format) {
    case 'table':
      return rendering.table(value)
    case 'json':
      return JSON.stringify(value, null, 2)
    case 'yaml': {
      const { stringify } = await import('yaml')
      return stringify(value).trimEnd()
    }
    case 'name':
      return rendering.names(value).join('\n')
  }
}
