// The guide for API clients, executed: every block in its order, in one shell, and what each is said to print.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openRegion, type Region } from '../e2e/region.ts'
import { simulatedImages } from '../sim/simulated-images.ts'
import { repositoryRoot } from '../support/imports.ts'

interface Block {
  readonly heading: string
  readonly script: string
  readonly expected: readonly string[]
}

function readBlocks(): readonly Block[] {
  const text = readFileSync(join(repositoryRoot, 'docs/guide.md'), 'utf8')
  return text.split(/^#+ /m).flatMap((section) => {
    const heading = section.split('\n', 1)[0] ?? ''
    return [...section.matchAll(/^```sh\n(.*?)^```\n((?:<!-- expect: [^\n]* -->\n)*)/gms)].map((match) => ({
      heading,
      script: match[1] ?? '',
      expected: [...(match[2] ?? '').matchAll(/<!-- expect: (.*) -->/g)].map(([, line = '']) => line),
    }))
  })
}

describe('docs/guide.md', () => {
  let region: Region
  beforeAll(async () => {
    region = await openRegion(simulatedImages)
    await region.startScheduler()
    await region.startFleet(2)
  })
  afterAll(() => region.close())

  it('says what happens', () => {
    const blocks = readBlocks()
    expect(blocks.length).toBeGreaterThan(10)
    const mark = (index: number) => `--- block ${index} ---`
    const script = blocks.map((block, index) => `echo '${mark(index)}'\n${block.script}\necho`).join('\n')
    const { status, stdout, stderr } = spawnSync('bash', ['-euo', 'pipefail', '-c', script], {
      encoding: 'utf8',
      timeout: 100_000,
      env: { PATH: process.env['PATH'], URL: region.url, TOKEN: region.token },
    })
    expect([status, stderr, status === 0 ? '' : stdout.slice(-2000)]).toEqual([
      ...[0, expect.not.stringContaining('curl: (7)'), ''],
    ])
    for (const [index, { heading, expected }] of blocks.entries()) {
      const printed = stdout.split(mark(index))[1]?.split('--- block')[0] ?? ''
      for (const line of expected)
        expect([heading, printed]).toEqual([heading, expect.stringContaining(line)])
    }
  })
})
