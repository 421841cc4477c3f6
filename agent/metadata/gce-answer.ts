// Answers as Google's metadata server gives them, from the tree that the agent has rendered.
import { createHash } from 'node:crypto'
import type { GceTree } from '../plan/gce-tree.ts'
import type { Answer } from './answer.ts'
import { type GceQuestion, moved } from './gce-question.ts'
import { gceHeaders, gceText } from './gce-text.ts'

type Directory = Exclude<GceTree, string | number>

/** With an ETag that changes when anything below the path does. */
export function answerGce(tree: GceTree, question: GceQuestion): Answer {
  const { path, hasSlash, isRecursive, format } = question
  const found = find(tree, path)
  if (found === undefined) return gceText(404, 'There is nothing of that name.\n')
  const { value, isVerbatim } = found
  const isLeaf = !isDirectory(value, path.at(-1))
  if (!isLeaf && !hasSlash && !isRecursive) return moved(`/${['computeMetadata', 'v1', ...path].join('/')}/`)
  const respond = (type: string, body: string): Answer => ({
    status: 200,
    headers: { ...gceHeaders, 'content-type': `application/${type}`, etag: etagOf(value) },
    body,
  })
  if (isLeaf) {
    return format === 'json' ? respond('json', JSON.stringify(value)) : respond('text', textOf(value))
  }
  if (isRecursive) {
    return format === 'text'
      ? respond('text', linesOf(value, '').join(''))
      : respond('json', JSON.stringify(isVerbatim ? value : camelCased(value)))
  }
  const names = childrenOf(value).map(([name, child]) => (isDirectory(child, name) ? `${name}/` : name))
  return format === 'json'
    ? respond('json', JSON.stringify(names))
    : respond('text', names.map((name) => `${name}\n`).join(''))
}

const verbatim: ReadonlySet<string> = new Set(['attributes', 'guest-attributes'])

const etagOf = (tree: GceTree): string =>
  createHash('sha256').update(JSON.stringify(tree)).digest('hex').slice(0, 16)

/** Below `attributes` names are the tenant's, below `guest-attributes` the guest's: they stay as they are. */
function find(tree: GceTree, path: readonly string[]): { value: GceTree; isVerbatim: boolean } | undefined {
  let value = tree
  for (const name of path) {
    if (!isDirectory(value)) return undefined
    const child = childrenOf(value).find(([own]) => own === name)
    if (child === undefined) return undefined
    value = child[1]
  }
  return { value, isVerbatim: path.some((name) => verbatim.has(name)) }
}

/** The one list that is a value. */
const isDirectory = (tree: GceTree, name?: string): tree is Directory =>
  typeof tree === 'object' && name !== 'tags'

const childrenOf = (directory: Directory): readonly (readonly [string, GceTree])[] =>
  Object.entries(directory)

const textOf = (value: GceTree): string => (typeof value === 'object' ? JSON.stringify(value) : String(value))

function linesOf(directory: Directory, prefix: string): readonly string[] {
  return childrenOf(directory).flatMap(([name, child]) =>
    isDirectory(child, name) ? linesOf(child, `${prefix}${name}/`) : `${prefix}${name} ${textOf(child)}\n`,
  )
}

function camelCased(tree: GceTree): GceTree {
  if (typeof tree !== 'object') return tree
  if (Array.isArray(tree)) return tree.map(camelCased)
  const entries = Object.entries(tree).map(([name, child]) => [
    name.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase()),
    name === 'attributes' ? child : camelCased(child),
  ])
  return Object.fromEntries(entries) as GceTree
}
