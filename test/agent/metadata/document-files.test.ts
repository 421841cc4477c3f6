import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createDocumentFiles } from '../../../agent/metadata/document-files.ts'
import { type Clock, systemClock } from '../../../lib/clock.ts'

const address = '10.77.0.11'
let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'berth-documents-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

const path = () => join(directory, `${address}.json`)
const textOf = (metaData: string) =>
  JSON.stringify({
    ...{ instanceUid: 'a', gce: {} },
    nocloud: { 'meta-data': metaData, 'user-data': '', 'vendor-data': '', 'network-config': '' },
  })
/** As the agent does. */
const publish = (metaData: string) => {
  writeFileSync(`${path()}.draft`, textOf(metaData))
  renameSync(`${path()}.draft`, path())
}
const at = (nowMs: number): Clock => ({ ...systemClock, nowMs: () => nowMs })
const metaDataOf = async (documents: ReturnType<typeof createDocumentFiles>) =>
  (await documents.read(address))?.nocloud['meta-data']
/** As somebody who asks alone. */
const read = async (documents: ReturnType<typeof createDocumentFiles>) => {
  await new Promise((resolve) => setImmediate(resolve))
  return metaDataOf(documents)
}

it('gives each document as soon as it is published, and none that is withdrawn', async () => {
  const documents = createDocumentFiles(directory, at(Date.now() + 60_000))
  expect(await read(documents)).toBeUndefined()
  for (const metaData of ['one', 'three', 'seventeen']) {
    publish(metaData)
    expect(await read(documents)).toBe(metaData)
    expect(await read(documents)).toBe(metaData)
  }
  rmSync(path())
  expect(await read(documents)).toBeUndefined()
})

it('looks once for all who ask together', async () => {
  const documents = createDocumentFiles(directory, at(Date.now() + 60_000))
  publish('one')
  await read(documents)
  const first = await read(documents)
  rmSync(path())
  expect([first, await metaDataOf(documents), await read(documents)]).toEqual(['one', 'one', undefined])
})

it('does not read again what it has read long after it was written', async () => {
  const documents = createDocumentFiles(directory, at(Date.now() + 60_000))
  publish('one')
  expect(await documents.read(address)).toBe(await documents.read(address))
})

it('reads again what is new, for another might look the same', async () => {
  const documents = createDocumentFiles(directory, at(0))
  publish('one')
  const first = await documents.read(address)
  expect(await documents.read(address)).not.toBe(first)
})
