import type { CountedHost } from './counted-host.ts'
import { clear, covers, emptyRoom, type Room, widen } from './room.ts'

/** A leaf has hosts in the order of the ring, a branch has children by the next bits; both know the most room below. */
type Node = Leaf | Branch

interface Leaf {
  readonly kind: 'leaf'
  readonly room: Room
  readonly hosts: CountedHost[]
}

interface Branch {
  readonly kind: 'branch'
  readonly room: Room
  /** Of this branch's bits the lowest. */
  readonly shift: number
  readonly children: (Node | undefined)[]
}

const leafSize = 16
const fanOut = 16
const bits = 4
const topShift = 32 - bits
/** The last place on the ring. */
export const ringEnd = 0xffff_ffff

/** Whether to go on. */
export type Visit = (host: CountedHost) => boolean

/**
 * Hosts on a ring, each at the hash of its name. What is found from a place on the ring depends on the hosts alone, never
 * on the order in which they came. Branches below which nothing has the room that is needed are passed over.
 */
export class HostTree {
  #root: Node = newLeaf()
  #size = 0

  get size(): number {
    return this.#size
  }

  get room(): Room {
    return this.#root.room
  }

  add(host: CountedHost): void {
    this.#root = add(this.#root, host, topShift)
    this.#size += 1
  }

  /** The very object that was added. */
  remove(host: CountedHost): void {
    remove(this.#root, host)
    this.#size -= 1
  }

  /** Hosts that have the room, from one place on the ring to another, which may be over its end. */
  visit(from: number, to: number, need: Room, visit: Visit): void {
    if (from <= to) visitRange(this.#root, from, to, need, visit)
    else if (visitRange(this.#root, from, ringEnd, need, visit)) visitRange(this.#root, 0, to, need, visit)
  }
}

const newLeaf = (): Leaf => ({ kind: 'leaf', room: emptyRoom(), hosts: [] })

const isBefore = (a: CountedHost, b: CountedHost) =>
  a.ring !== b.ring ? a.ring < b.ring : a.host.hostId < b.host.hostId

function add(node: Node, host: CountedHost, shift: number): Node {
  if (node.kind === 'leaf' && (node.hosts.length < leafSize || shift < 0)) {
    const { hosts } = node
    let at = hosts.length
    hosts.push(host)
    for (; at > 0 && isBefore(host, hosts[at - 1] as CountedHost); at -= 1) {
      hosts[at] = hosts[at - 1] as CountedHost
    }
    hosts[at] = host
    widen(node.room, host)
    return node
  }
  const branch = node.kind === 'leaf' ? split(node, shift) : node
  const at = (host.ring >>> branch.shift) % fanOut
  branch.children[at] = add(branch.children[at] ?? newLeaf(), host, branch.shift - bits)
  widen(branch.room, host)
  return branch
}

function split({ hosts, room }: Leaf, shift: number): Branch {
  const children = new Array<Node | undefined>(fanOut).fill(undefined)
  for (const host of hosts) {
    const at = (host.ring >>> shift) % fanOut
    children[at] = add(children[at] ?? newLeaf(), host, shift - bits)
  }
  return { kind: 'branch', room: { ...room }, shift, children }
}

function remove(node: Node, host: CountedHost): void {
  if (node.kind === 'leaf') {
    const at = node.hosts.indexOf(host)
    if (at === -1) throw new Error(`Host ${host.host.hostId} is not in the tree.`)
    node.hosts.splice(at, 1)
  } else {
    const at = (host.ring >>> node.shift) % fanOut
    const child = node.children[at]
    if (child === undefined) throw new Error(`Host ${host.host.hostId} is not in the tree.`)
    remove(child, host)
    if (child.kind === 'leaf' && child.hosts.length === 0) node.children[at] = undefined
  }
  narrow(node, host)
}

/** Where another has as much of everything, the most is what it was. */
function narrow(node: Node, gone: Readonly<Room>): void {
  if (node.kind === 'leaf') {
    for (const host of node.hosts) if (covers(host, gone)) return
  } else {
    for (const child of node.children) if (child !== undefined && covers(child.room, gone)) return
  }
  clear(node.room)
  if (node.kind === 'leaf') for (const host of node.hosts) widen(node.room, host)
  else for (const child of node.children) if (child !== undefined) widen(node.room, child.room)
}

/** False once the visitor has seen enough. */
function visitRange(node: Node, from: number, to: number, need: Room, visit: Visit): boolean {
  if (!covers(node.room, need)) return true
  if (node.kind === 'leaf') {
    for (const host of node.hosts) {
      if (host.ring >= from && host.ring <= to && covers(host, need) && !visit(host)) return false
    }
    return true
  }
  // Both ends are below this branch, or were set to its own.
  const first = (from >>> node.shift) % fanOut
  const last = (to >>> node.shift) % fanOut
  for (let at = first; at <= last; at += 1) {
    const child = node.children[at]
    if (child === undefined) continue
    if (!visitRange(child, at === first ? from : 0, at === last ? to : ringEnd, need, visit)) return false
  }
  return true
}
