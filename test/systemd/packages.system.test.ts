// The packages as dpkg unpacks them: their programs run from there, and the units are as closed as they claim.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse, stringify } from 'yaml'
import { waitUntil } from '../e2e/region.ts'
import { repositoryRoot } from '../support/imports.ts'
import { describeNeeding } from '../support/needs.ts'
import { freePort } from '../support/ports.ts'

const run = (file: string, args: readonly string[], env: Record<string, string> = {}) =>
  execFileSync(file, args, { encoding: 'utf8', env: { ...process.env, ...env } })

/** Not the repository's. */
const version = '9.8.7'

describeNeeding({ programs: ['dpkg-deb'] }, 'packages', () => {
  let folder = ''
  let again = ''
  const root = () => join(folder, 'root')
  const start = (programs: string, args: readonly string[]) =>
    run(join(root(), programs, 'node'), [join(root(), programs, 'main.js'), ...args])
  const build = (out: string, args: readonly string[]) =>
    run(process.execPath, [
      join(repositoryRoot, 'systemd/packages/main.ts'),
      '--out',
      join(folder, out),
      ...args,
    ])
      .trim()
      .split('\n')

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'berth-packages-'))
    for (const path of build('first', ['--version', version])) run('dpkg-deb', ['-x', path, root()])
  }, 120_000)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it('are the same bytes each time', () => {
    const hash = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex')
    ;[again = ''] = build('second', ['--version', version, 'berth'])
    expect(hash(again)).toBe(hash(again.replace('second', 'first')))
  })

  it('belong to root, and nobody else writes to them', () => {
    const listing = run('dpkg-deb', ['-c', again])
    const lines = listing.trim().split('\n')
    expect(lines.filter((line) => !/^[-d]r[w-][-x]r-[-x]r-[-x] root\/root /.test(line))).toEqual([])
  })

  it('have a command line and an agent that say what they can do', () => {
    expect(start('usr/lib/berth', ['instances', '--help'])).toContain('create')
    // It would start programs that are not there.
    expect(start('usr/lib/berth', ['--help'])).not.toMatch(/^ +dev /m)
    expect(start('usr/lib/berth-agent', ['--help'])).toContain('doctor')
  })

  it('have programs that say the version of the package', () => {
    const programs = ['usr/lib/berth', 'usr/lib/berth-agent', 'usr/lib/berth-scheduler']
    const said = programs.map((one) => start(one, ['--version']))
    expect(said).toEqual(programs.map(() => `${version}\n`))
  })

  it('have a scheduler that answers on a socket which listened before it', async () => {
    const token = join(folder, 'token')
    writeFileSync(token, 'a-secret-of-this-test-alone', { mode: 0o600 })
    const example = parse(readFileSync(join(root(), 'etc/berth/scheduler.yaml.example'), 'utf8')) as object
    const settings = {
      ...example,
      agents: { host: '127.0.0.1', port: await freePort(), tokenFile: token },
      store: { path: join(folder, 'scheduler.sqlite') },
      auth: { issuer: 'https://issuer.test.invalid', audience: 'berth' },
    }
    writeFileSync(join(folder, 'scheduler.yaml'), stringify(settings))
    const { child, url } = await startOnSocket(join(root(), 'usr/lib/berth-scheduler'), folder)
    try {
      const status = async (path: string) => (await fetch(`${url}${path}`)).status
      await waitUntil('it is ready', async () => (await status('/readyz')) === 200, 20_000)
      expect(await status('/openapi.json')).toBe(200)
      expect(await status('/docs/static/swagger-ui.css')).toBe(200)
      const page = await (await fetch(`${url}/docs/`)).text()
      expect(page).toContain('swagger-ui')
    } finally {
      child.kill('SIGTERM')
      await new Promise((resolve) => child.once('exit', resolve))
    }
    expect(child.exitCode).toBe(0)
  })
})

/** As systemd does: the variables name the process itself, which only a shell in its place knows. */
async function startOnSocket(
  programs: string,
  folder: string,
): Promise<{ child: ChildProcess; url: string }> {
  const port = await freePort()
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const { _handle: handle } = server as unknown as { _handle: { fd: number } }
  const command = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
  const args = [join(programs, 'main.js'), '--config', join(folder, 'scheduler.yaml')]
  const child = spawn('sh', ['-c', command, 'sh', join(programs, 'node'), ...args], {
    stdio: ['ignore', 'ignore', 'inherit', handle.fd],
  })
  server.close()
  return { child, url: `http://127.0.0.1:${port}` }
}

describeNeeding({ programs: ['systemd-analyze'] }, 'units', () => {
  const exposure = (unit: string) => {
    const path = join(repositoryRoot, 'systemd', unit)
    const said = run('systemd-analyze', ['security', '--offline=yes', '--no-pager', path])
    return Number(/exposure level for \S+: ([\d.]+)/.exec(said)?.[1])
  }

  it('leave little open', () => {
    expect(exposure('berth-scheduler.service')).toBeLessThanOrEqual(3)
    expect(exposure('berth-agent.service')).toBeLessThanOrEqual(6)
  })

  it('are such as systemd takes', () => {
    const folder = mkdtempSync(join(tmpdir(), 'berth-units-'))
    try {
      const units = ['berth-agent.service', 'berth-scheduler.service', 'berth-scheduler.socket']
      for (const unit of units) {
        const text = readFileSync(join(repositoryRoot, 'systemd', unit), 'utf8')
        // Its programs are not installed here.
        writeFileSync(join(folder, unit), text.replace(/^ExecStart=.*$/m, 'ExecStart=/bin/true'))
      }
      const paths = units.map((unit) => join(folder, unit))
      expect(run('systemd-analyze', ['verify', '--man=no', ...paths])).toBe('')
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
