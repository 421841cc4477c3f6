import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { OpenapiDocument } from '../../support/openapi.ts'
import { type Region, startRegion } from './region.ts'

let region: Region
let document: OpenapiDocument
beforeAll(async () => {
  region = await startRegion()
  document = (await region.call('GET', '/openapi.json')).body as OpenapiDocument
})
afterAll(() => region.close())

it('is clean for the linter', () => {
  const folder = mkdtempSync(join(tmpdir(), 'berth-openapi-'))
  const file = join(folder, 'openapi.json')
  writeFileSync(file, JSON.stringify(document))
  const { status, stdout, stderr } = spawnSync(
    'redocly',
    ['lint', '--extends=recommended', '--max-problems=20', '--format=stylish', file],
    {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
    },
  )
  rmSync(folder, { recursive: true })
  expect([status, `${stdout}${stderr}`]).toEqual([0, expect.not.stringMatching(/warning/i)])
})

it('names every operation once, with words for people', () => {
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods))
  const ids = operations.map(({ operationId }) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids.length).toBeGreaterThan(30)
  for (const operation of operations)
    expect(operation).toMatchObject({ summary: expect.stringMatching(/^[A-Z]/) as string })
})

it('has a page that loads nothing from elsewhere', async () => {
  const page = await fetch(`${region.url}/docs/`)
  expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'self'; /)
  const html = await page.text()
  const loaded = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => address)
  expect(loaded.length).toBeGreaterThan(2)
  for (const address of loaded) {
    expect(address).not.toMatch(/^(https?:)?\/\//)
    const loadedPart = await fetch(new URL(address, `${region.url}/docs/`))
    expect([address, loadedPart.status]).toEqual([address, 200])
    await loadedPart.arrayBuffer()
  }
})
