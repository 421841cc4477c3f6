import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { resolveContext } from '../../../cli/context/context.ts'
import { contextFilePath, removeContext, writeContext } from '../../../cli/context/context-file.ts'

const dev = {
  server: 'http://127.0.0.1:7700',
  token: 'dev-token',
  region: 'us-texas-1',
  project: 'project-a',
}
const demo = { ...dev, server: 'http://127.0.0.1:7710', token: 'demo-token' }
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-context-'))
  vi.stubEnv('BERTH_CONFIG', join(folder, 'berth/config.json'))
  for (const name of ['SERVER', 'TOKEN', 'REGION', 'PROJECT', 'CONTEXT']) vi.stubEnv(`BERTH_${name}`, '')
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

describe('the context', () => {
  it('is the one that was written last, readable by its owner alone', () => {
    writeContext('demo', demo)
    writeContext('dev', dev)
    expect(resolveContext({})).toEqual(dev)
    expect(resolveContext({ context: 'demo' })).toEqual(demo)
    expect(statSync(contextFilePath()).mode & 0o777).toBe(0o600)
  })

  it('takes flags before the environment before the file', () => {
    writeContext('dev', dev)
    vi.stubEnv('BERTH_PROJECT', 'project-b')
    vi.stubEnv('BERTH_SERVER', 'https://berth.example/')
    expect(resolveContext({ project: 'project-c' })).toEqual({
      ...dev,
      server: 'https://berth.example',
      project: 'project-c',
    })
  })

  it('goes with its region, and gives way to another', () => {
    writeContext('demo', demo)
    writeContext('dev', dev)
    removeContext('dev', 'http://127.0.0.1:9999')
    expect(resolveContext({})).toEqual(dev)
    removeContext('dev', dev.server)
    expect(resolveContext({})).toEqual(demo)
  })

  it('says what is wrong with what it finds', () => {
    expect(() => resolveContext({ ...dev, server: 'berth.example' })).toThrow('must start with http://')
    expect(() => resolveContext({ context: 'x' })).toThrow('There is no context "x"; none is saved.')
    writeContext('dev', dev)
    writeFileSync(contextFilePath(), 'not json')
    expect(() => resolveContext({})).toThrow('Put it right, or remove it.')
  })
})
