export interface FakeIdentity {
  readonly uid: number
  readonly gid: number
  readonly supplementaryGids: readonly number[]
}

/** setpriv's own arguments end where the first word without a dash stands that is no value of one. */
export function parseSetpriv(args: readonly string[]): {
  identity: FakeIdentity
  file: string
  rest: readonly string[]
} {
  const words = [...args]
  const identity = { uid: 0, gid: 0, supplementaryGids: [] as number[] }
  for (;;) {
    const word = words.shift()
    if (word === undefined) throw new Error('setpriv got no program.')
    const [flag = '', inline] = word.split('=', 2)
    const value = () => inline ?? words.shift() ?? ''
    if (flag === '--reuid') identity.uid = Number(value())
    else if (flag === '--regid') identity.gid = Number(value())
    else if (flag === '--groups') identity.supplementaryGids = value().split(',').map(Number)
    else if (['--inh-caps', '--bounding-set', '--ambient-caps', '--pdeathsig'].includes(flag)) value()
    else if (['--clear-groups', '--no-new-privs', '--'].includes(flag)) continue
    else if (flag.startsWith('--')) throw new Error(`The fake setpriv has no ${flag}.`)
    else return { identity, file: word, rest: words }
  }
}

/** prlimit with limits and a program: the limits change nothing in a model. */
export function parsePrlimit(args: readonly string[]): { file: string; rest: readonly string[] } {
  const at = args.findIndex((word) => !word.startsWith('--'))
  return { file: args[at] ?? '', rest: args.slice(at + 1) }
}
