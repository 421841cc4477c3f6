import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { repositoryRoot } from './imports.ts'

/** Compares with test/golden/NAME; `npm run golden` writes what is, for a person to read in the diff. */
export function expectGolden(name: string, actual: string): void {
  expectFile(join(repositoryRoot, 'test/golden', name), actual)
}

/** The same for a file elsewhere in the repository, such as a page of the documentation. */
export function expectFile(path: string, actual: string): void {
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, actual)
    return
  }
  expect(actual).toBe(readFileSync(path, 'utf8'))
}
