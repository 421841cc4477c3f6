import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { sshCommand } from '../../../cli/demo/guest-login.ts'
import { makeDemoRequest } from '../../../cli/demo/instance.ts'
import { findLeftOver } from '../../../cli/demo/left-over.ts'
import { createReporter } from '../../../cli/demo/reporter.ts'
import { dataDirectory } from '../../../cli/dev/data-directory.ts'
import type { Clock } from '../../../lib/clock.ts'
import { repositoryRoot } from '../../support/imports.ts'
import { describeNeeding } from '../../support/needs.ts'

const clockAt = (times: number[]): Clock =>
  ({ monotonicMs: () => times.shift() ?? 0 }) satisfies Pick<Clock, 'monotonicMs'> as unknown as Clock

describe("the demo's events", () => {
  it('are lines with times for people', () => {
    let text = ''
    const reporter = createReporter({
      isJson: false,
      clock: clockAt([0, 1500]),
      write: (line) => (text += line),
    })
    reporter.event('guest', '$ hostname\ndemo')
    expect(text).toBe('  1.5 s  $ hostname\n         demo\n')
  })

  it('are one JSON object a line for programs', () => {
    let text = ''
    const reporter = createReporter({
      isJson: true,
      clock: clockAt([0, 1500]),
      write: (line) => (text += line),
    })
    reporter.event('guest', '$ hostname\ndemo', { output: 'demo' })
    expect(text).toMatch(/^[^\n]+\n$/)
    expect(JSON.parse(text)).toEqual({
      event: 'guest',
      elapsedMs: 1500,
      message: '$ hostname\ndemo',
      output: 'demo',
    })
  })
})

describe('the demo', () => {
  it('asks for the login that it then uses', () => {
    const request = makeDemoRequest('ssh-ed25519 AAAA demo')
    expect(request.instanceMetadata?.[0]).toEqual({ key: 'ssh-keys', value: 'admin:ssh-ed25519 AAAA demo' })
    const command = sshCommand({ namespace: 'berth-0', user: 'admin', address: '10.80.0.5', keyPath: '/key' })
    expect(command.slice(0, 5)).toEqual(['ip', 'netns', 'exec', 'berth-0', 'ssh'])
    expect(command.at(-1)).toBe('admin@10.80.0.5')
  })

  it('explains its flags', () => {
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(repositoryRoot, 'cli/demo/main.ts'), '--forever'],
      { encoding: 'utf8' },
    )
    expect(status).toBe(2)
    expect(stderr).toContain('--once  clean up afterwards')
  })
})

describeNeeding({ programs: ['ip', 'nft'] }, 'what a demo leaves over', () => {
  it('is found by the directory it works on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'berth-left-'))
    const region = {
      directory: dataDirectory(folder),
      networkUid: '0197a000-0000-7000-8000-0000000000ff',
      instanceUids: ['0197a000-0000-7000-8000-0000000000fe'],
    }
    expect(findLeftOver(region)).toEqual([])
    const child = spawn('sleep', ['60', `--`], { argv0: `${folder}/guest`, stdio: 'ignore' })
    await new Promise((resolve) => child.once('spawn', resolve))
    expect(findLeftOver(region)).toEqual([`process ${child.pid} (guest)`])
    child.kill()
    await new Promise((resolve) => child.once('exit', resolve))
    expect(findLeftOver(region)).toEqual([])
    rmSync(folder, { recursive: true })
  })
})
