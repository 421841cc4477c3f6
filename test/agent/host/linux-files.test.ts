import { mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLinuxFiles } from '../../../agent/host/linux-files.ts'

const files = createLinuxFiles()
let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-files-'))
  path = join(folder, 'file')
})
afterEach(() => rmSync(folder, { recursive: true }))

const text = async () => new TextDecoder().decode(await files.read(path))

it('replaces a file whole, with its mode, and leaves nothing beside it', async () => {
  await files.writeAtomic(path, 'old')
  await Promise.all(
    Array.from({ length: 20 }, (_, index) => files.writeAtomic(path, `new ${index}`, { mode: 0o640 })),
  )
  expect(await text()).toMatch(/^new \d+$/)
  expect((await files.stat(path))?.mode).toBe(0o640)
  expect(readdirSync(folder)).toEqual(['file'])
})

it('leaves the old content and nothing beside it where writing fails', async () => {
  await files.makeDirectory(path)
  await expect(files.writeAtomic(path, 'new')).rejects.toThrow()
  expect(readdirSync(folder)).toEqual(['file'])
})

it('makes a file for one of many who try', async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, (_, index) => files.createExclusive(path, `${index}`)),
  )
  expect(outcomes.filter(Boolean)).toHaveLength(1)
  expect(await text()).toBe(String(outcomes.indexOf(true)))
})

it('adds to the end, and reads ranges that end with the file', async () => {
  await files.append(path, Buffer.from('abc'))
  await files.append(path, Buffer.from('def'))
  expect(Buffer.from(await files.readRange(path, 2, 100)).toString()).toBe('cdef')
})

it('tells what is not there by nothing at all', async () => {
  expect(await files.read(path)).toBeUndefined()
  expect(await files.stat(path)).toBeUndefined()
  expect(await files.list(path)).toEqual([])
  await files.remove(path)
})

it('follows no link', async () => {
  symlinkSync('/etc/passwd', path)
  expect((await files.stat(path))?.kind).toBe('other')
  await files.remove(path)
  expect((await files.stat('/etc/passwd'))?.kind).toBe('file')
})

it('makes directories with the mode asked for, whatever the umask', async () => {
  await files.makeDirectory(join(folder, 'a/b/c'), { mode: 0o777 })
  expect((await files.stat(join(folder, 'a/b/c')))?.mode).toBe(0o777)
  expect((await files.stat(join(folder, 'a')))?.mode).toBe(0o711)
})
