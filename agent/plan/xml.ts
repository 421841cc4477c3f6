// XML as text, from values: whatever a value holds, it stays a value.

export type XmlNode = Element | string | undefined

export interface Element {
  readonly name: string
  readonly attributes: Readonly<Record<string, string | number | undefined>>
  readonly children: readonly XmlNode[]
}

/** Attributes and children that are undefined are left out. */
export function element(
  name: string,
  attributes: Element['attributes'] = {},
  ...children: readonly XmlNode[]
): Element {
  return { name, attributes, children }
}

/** A line for each element, two spaces deeper than what it is in. Text stands alone in its element. */
export function renderXml(node: Element, indent = ''): string {
  const attributes = Object.entries(node.attributes)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => ` ${name}='${escapeXml(String(value))}'`)
    .join('')
  const children = node.children.filter((child) => child !== undefined)
  const open = `${indent}<${node.name}${attributes}`
  if (children.length === 0) return `${open}/>\n`
  const [text] = children
  if (typeof text === 'string') return `${open}>${escapeXml(text)}</${node.name}>\n`
  const inner = children.map((child) => renderXml(child as Element, `${indent}  `)).join('')
  return `${open}>\n${inner}${indent}</${node.name}>\n`
}

const entities: Readonly<Record<string, string>> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&apos;', '"': '&quot;' },
  // A parser would take them for spaces.
  ...{ '\t': '&#9;', '\n': '&#10;', '\r': '&#13;' },
}

/** @throws for characters that no XML has a way to write */
function escapeXml(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(value)) {
    throw new Error(`XML can't hold a control character: ${JSON.stringify(value)}`)
  }
  return value.replaceAll(/[&<>'"\t\n\r]/g, (character) => entities[character] ?? character)
}
