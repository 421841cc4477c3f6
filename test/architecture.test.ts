// Which folder may use what, each rule with its reason. A broken rule prints file, import and reason.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readSources, repositoryRoot, type SourceFile, withoutCommentsAndStrings } from './support/imports.ts'

const topFolders = ['agent', 'bench', 'cli', 'lib', 'proto', 'scheduler'].filter((folder) =>
  existsSync(join(repositoryRoot, folder)),
)
const sources = readSources(topFolders)

const pureFolders = [
  'scheduler/admission/',
  'scheduler/placement/',
  'scheduler/lifecycle/',
  'scheduler/model/',
  'agent/plan/',
  'agent/instance/transition.ts',
  'agent/metadata/document.ts',
  'proto/',
]

interface ImportRule {
  readonly from: readonly string[]
  readonly except?: readonly string[]
  readonly mayNot: RegExp
  readonly reason: string
}

const importRules: readonly ImportRule[] = [
  {
    from: ['proto/', 'lib/'],
    mayNot: /^(agent|scheduler|cli|test|bench)\//,
    reason: 'the contract and the plumbing stand below everything and know nothing of it',
  },
  {
    from: ['proto/'],
    mayNot: /^lib\//,
    reason: 'the contract needs no plumbing',
  },
  {
    from: ['lib/'],
    mayNot: /^proto\//,
    reason: 'plumbing has no word of the domain',
  },
  {
    from: ['agent/'],
    mayNot: /^(scheduler|cli|test)\//,
    reason: 'the daemons meet on the wire alone, so that either can be replaced',
  },
  {
    from: ['scheduler/'],
    mayNot: /^(agent|cli|test)\//,
    reason: 'the daemons meet on the wire alone, so that either can be replaced',
  },
  {
    from: ['cli/'],
    mayNot: /^(agent|scheduler|test)\//,
    reason: 'the command line is a client of HTTP like any other',
  },
  {
    from: pureFolders,
    mayNot:
      /^node:|^(pino|execa|kysely|better-sqlite3|fastify|@grpc\/.*)$|^(agent|scheduler)\/(.*\/)?(store|stream|host|drivers|journal)\/(?!(.*\/)?ports?\.ts)|^lib\/(clock|log|random|config)\.ts$/,
    reason: 'decisions are values in, values out: no clock, no I/O, no logger, no randomness',
  },
  {
    from: ['scheduler/api/'],
    mayNot: /^scheduler\/(store|stream|placement)\//,
    reason: 'HTTP asks operations; it never decides or remembers',
  },
  {
    from: ['scheduler/operations/'],
    mayNot: /^scheduler\/(store\/(?!((resource|device|host|waiting)-)?store\.ts)|stream\/|api\/)/,
    reason: 'an operation knows the store as a port and HTTP not at all',
  },
  {
    from: ['scheduler/store/'],
    mayNot: /^scheduler\/(api|stream|operations|placement|admission)\//,
    reason: 'the store remembers; it does not ask upwards',
  },
  {
    from: ['agent/drivers/network/'],
    mayNot: /^agent\/(drivers\/(?!network\/)|instance|stream|journal)/,
    reason: 'drivers do not know one another or who calls them',
  },
  {
    from: ['agent/drivers/disk/'],
    mayNot: /^agent\/(drivers\/(?!disk\/)|instance|stream|journal)/,
    reason: 'drivers do not know one another or who calls them',
  },
  {
    from: ['agent/drivers/hypervisor/'],
    mayNot: /^agent\/(drivers\/(?!hypervisor\/)|instance|stream|journal)/,
    reason: 'drivers do not know one another or who calls them',
  },
  {
    from: ['agent/drivers/passthrough/'],
    mayNot: /^agent\/(drivers\/(?!passthrough\/)|instance|stream|journal)/,
    reason: 'drivers do not know one another or who calls them',
  },
  {
    from: ['agent/drivers/fabric/'],
    mayNot: /^agent\/(drivers\/(?!fabric\/)|instance|stream|journal)/,
    reason: 'drivers do not know one another or who calls them',
  },
  {
    from: ['agent/drivers/metadata/'],
    mayNot: /^agent\/(drivers\/(?!metadata\/)|instance|stream|journal)/,
    reason: 'drivers do not know one another or who calls them',
  },
  {
    from: ['agent/metadata/'],
    mayNot: /^agent\/(?!metadata\/|plan\/|host\/)/,
    reason: 'the metadata service is a process of its own that guests talk to: it holds as little as it can',
  },
  {
    from: ['agent/', 'scheduler/', 'lib/', 'proto/', 'cli/', 'bench/'],
    except: ['agent/host/', 'lib/service-manager.ts', 'cli/', 'bench/'],
    mayNot: /^(node:)?child_process$|^execa$/,
    reason: 'one door to programs: deadlines, limits and no shell',
  },
  {
    from: ['agent/', 'scheduler/', 'lib/', 'proto/'],
    except: ['agent/host/', 'agent/metadata/', 'lib/config.ts', 'scheduler/store/', 'scheduler/main.ts'],
    mayNot: /^(node:)?fs(\/promises)?$/,
    reason: 'one door to files, so that a fake host can stand in',
  },
  {
    from: ['agent/', 'scheduler/', 'lib/', 'proto/', 'cli/', 'bench/'],
    except: ['scheduler/store/', 'bench/'],
    mayNot: /^(kysely|better-sqlite3)/,
    reason: 'SQL stays in the store',
  },
  {
    from: ['agent/', 'scheduler/', 'lib/', 'proto/', 'cli/'],
    except: ['agent/stream/', 'scheduler/stream/'],
    mayNot: /^@grpc\//,
    reason: 'gRPC stays in the stream folders',
  },
  {
    from: ['agent/', 'scheduler/', 'lib/', 'proto/', 'cli/'],
    except: ['agent/metadata/', 'scheduler/api/', 'cli/dev/'],
    mayNot: /^(node:)?https?$|^fastify$/,
    reason: 'HTTP servers stay where guests and clients are answered',
  },
]

interface CallRule {
  readonly pattern: RegExp
  readonly allowedIn: readonly string[]
  readonly reason: string
}

const callRules: readonly CallRule[] = [
  {
    pattern: /\bDate\.now\(|\bnew Date\(\)|(?<![.\w])set(Timeout|Interval)\(|\bperformance\.now\(/,
    allowedIn: ['lib/clock.ts', 'cli/', 'bench/'],
    reason: 'time is an argument: take a Clock',
  },
  {
    pattern: /\bMath\.random\(|\brandomUUID\(|\brandomBytes\(/,
    allowedIn: ['lib/random.ts', 'cli/dev/'],
    reason: 'randomness is an argument: take a Random',
  },
  {
    pattern: /\bprocess\.env\b/,
    allowedIn: ['lib/config.ts', 'cli/'],
    reason: 'settings are read once, in one place',
  },
  {
    pattern: /\bprocess\.exit\(/,
    allowedIn: [
      'agent/main.ts',
      'agent/fleet.ts',
      'agent/metadata/',
      'agent/host/linux-exec-worker.ts',
      'scheduler/main.ts',
      'cli/',
      'bench/',
    ],
    reason: 'only a program ends itself',
  },
]

const startsWithAny = (path: string, prefixes: readonly string[]) =>
  prefixes.some((prefix) => path.startsWith(prefix))

describe('imports', () => {
  it.each(importRules)('$from may not import $mayNot: $reason', (rule) => {
    const broken = sources
      .filter((file) => startsWithAny(file.path, rule.from) && !startsWithAny(file.path, rule.except ?? []))
      .flatMap((file) =>
        file.imports
          .filter((used) => rule.mayNot.test(used.target) && !isTypeOfPort(used.target, used.typeOnly))
          .map((used) => `${file.path} imports ${used.target}: ${rule.reason}`),
      )
    expect(broken).toEqual([])
  })

  it('has no cycles', () => {
    expect(findCycles(sources)).toEqual([])
  })
})

describe('calls', () => {
  it.each(callRules)('$pattern only in $allowedIn: $reason', (rule) => {
    const broken = sources
      .filter((file) => !startsWithAny(file.path, rule.allowedIn))
      .filter((file) => rule.pattern.test(withoutCommentsAndStrings(file.text)))
      .map((file) => `${file.path}: ${rule.reason}`)
    expect(broken).toEqual([])
  })
})

describe('shape', () => {
  it('keeps folders at most three deep', () => {
    expect(sources.filter((file) => file.path.split('/').length > 5).map((file) => file.path)).toEqual([])
  })

  it('keeps files under 500 lines, and half of them under 120', () => {
    const lines = sources.map((file) => file.text.split('\n').length).sort((a, b) => a - b)
    expect(sources.filter((file) => file.text.split('\n').length > 500).map((file) => file.path)).toEqual([])
    expect(lines[Math.floor(lines.length / 2)]).toBeLessThanOrEqual(120)
  })

  it('names no folder utils, helpers or common', () => {
    const vague = /\/(utils?|helpers?|common|misc|shared)(\/|\.ts$)/
    expect(sources.filter((file) => vague.test(file.path)).map((file) => file.path)).toEqual([])
  })

  it('keeps lib under ten files', () => {
    expect(sources.filter((file) => file.path.startsWith('lib/')).length).toBeLessThan(10)
  })
})

/** A pure file may name a port's types: they vanish at run time. */
function isTypeOfPort(target: string, typeOnly: boolean): boolean {
  return typeOnly && /\/ports?\.ts$/.test(target)
}

function findCycles(files: readonly SourceFile[]): string[] {
  const graph = new Map(
    files.map((file) => [
      file.path,
      file.imports.filter((used) => !used.typeOnly).map((used) => used.target),
    ]),
  )
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(' → '))
      return
    }
    if (done.has(path)) return
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return cycles
}
