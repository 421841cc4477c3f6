import { spawnSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { repositoryRoot } from '../../support/imports.ts'

const script = join(repositoryRoot, 'cli/setup/setup.sh')
let clone: string
let bin: string

/** A clone of its own, and nothing on the path but the shell's tools and stand-ins that write down their calls. */
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'berth-setup-'))
  bin = join(clone, 'bin')
  mkdirSync(bin)
  mkdirSync(join(clone, 'cli/setup'), { recursive: true })
  cpSync(script, join(clone, 'cli/setup/setup.sh'))
  writeFileSync(join(clone, 'package-lock.json'), '{}')
  const npm = 'mkdir -p node_modules/.bin && cp bin/node24 node_modules/.bin/node'
  const standIns: Record<string, string> = {
    node: 'echo v20.1.0',
    node24: 'echo v24.21.0',
    npm,
    id: 'echo 1000',
  }
  for (const [name, body] of Object.entries(standIns)) {
    writeFileSync(join(bin, name), `#!/bin/sh\necho "${name} $*" >>${clone}/calls\n${body}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  writeFileSync(join(clone, 'calls'), '')
})
afterEach(() => rmSync(clone, { recursive: true }))

const run = (mode: string, path = `${bin}:/usr/bin:/bin`) =>
  spawnSync('/bin/sh', [join(clone, 'cli/setup/setup.sh'), mode], { encoding: 'utf8', env: { PATH: path } })
const installs = () =>
  readFileSync(join(clone, 'calls'), 'utf8').match(/^npm install --no-save/gm)?.length ?? 0

describe('setup.sh', () => {
  it('is a script for any POSIX shell', () => {
    expect(spawnSync('sh', ['-n', script]).status).toBe(0)
    expect(readFileSync(script, 'utf8')).not.toMatch(/\[\[|\blocal\b|<\(|\bpipefail\b/)
  })

  it('installs npm packages once, says why, and again when the lock file changes', () => {
    expect(run('check')).toMatchObject({
      status: 0,
      stderr: expect.stringContaining('they are not here yet'),
    })
    expect(run('check')).toMatchObject({ status: 0, stderr: '' })
    expect(installs()).toBe(1)
    writeFileSync(join(clone, 'package-lock.json'), '{"changed":true}')
    expect(run('dev').stderr).toContain('package-lock.json has changed')
    expect(installs()).toBe(2)
  })

  it('says what to do where npm brings no Node 24', () => {
    writeFileSync(join(bin, 'node24'), '#!/bin/sh\necho v22.0.0\n')
    expect(run('check')).toMatchObject({ status: 1, stderr: expect.stringContaining('Berth needs Node 24') })
  })

  it('does not take a failed install for one', () => {
    writeFileSync(join(bin, 'npm'), '#!/bin/sh\nmkdir -p node_modules\necho no network\nexit 1\n')
    expect(run('check')).toMatchObject({ status: 1, stderr: expect.stringContaining('no network') })
    expect(run('check').status).toBe(1)
  })

  it('refuses what it does not know', () => {
    expect(run('everything').status).toBe(2)
  })
})
