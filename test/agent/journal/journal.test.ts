import { create, toBinary } from '@bufbuild/protobuf'
import { beforeEach, describe, expect, it } from 'vitest'
import { FakeFiles } from '../../../agent/host/fake/fake-files.ts'
import { createJournal, type Journal, recordVersion } from '../../../agent/journal/journal.ts'
import { instancePaths } from '../../../agent/plan/paths.ts'
import { HostRecordSchema, InstanceRecordSchema } from '../../../proto/gen/berth/journal/v1/journal_pb.ts'

const directories = { state: '/var/lib/berth', run: '/run/berth' }
let files: FakeFiles
let journal: Journal

beforeEach(() => {
  files = new FakeFiles({ totalBytes: 1e9, nowMs: () => 0 })
  journal = createJournal({ files, directories })
})

const recordOf = (uid: string, version = recordVersion) =>
  create(InstanceRecordSchema, { recordVersion: version, uid, generation: 3 })

describe('the host’s record', () => {
  it('is what was written', async () => {
    expect(await journal.readHost()).toBeUndefined()
    const record = create(HostRecordSchema, {
      recordVersion,
      journalUuid: 'j',
      epoch: 2,
      lastCommandSequence: 7n,
    })
    await journal.writeHost(record)
    expect(await journal.readHost()).toEqual(record)
  })

  it('is refused in a sentence where a newer agent wrote it', async () => {
    await journal.writeHost(create(HostRecordSchema, { recordVersion: recordVersion + 1 }))
    await expect(journal.readHost()).rejects.toThrow(/newer agent/)
  })
})

describe('instances’ records', () => {
  it('are listed as they were written last', async () => {
    await journal.writeInstance(recordOf('a'))
    await journal.writeInstance({ ...recordOf('a'), generation: 4 })
    await journal.writeInstance(recordOf('b'))
    const entries = await journal.listInstances()
    expect(
      entries.map((entry) => entry.kind === 'record' && [entry.record.uid, entry.record.generation]),
    ).toEqual([
      ['a', 4],
      ['b', 3],
    ])
  })

  it('are left alone where a newer agent wrote them', async () => {
    const newer = recordOf('a', recordVersion + 1)
    await journal.writeInstance(newer)
    expect(await journal.listInstances()).toEqual([{ kind: 'newer', uid: 'a', version: recordVersion + 1 }])
    const path = instancePaths(directories, 'a').record
    expect(await files.read(path)).toEqual(toBinary(InstanceRecordSchema, newer))
  })

  it('are told as broken, and kept, where they can’t be read', async () => {
    await journal.writeInstance(recordOf('a'))
    await files.writeAtomic(instancePaths(directories, 'a').record, new Uint8Array([0xff, 0xff, 0xff]))
    await journal.writeInstance(recordOf('b'))
    await files.writeAtomic(
      instancePaths(directories, 'b').record,
      toBinary(InstanceRecordSchema, recordOf('c')),
    )
    expect((await journal.listInstances()).map(({ kind }) => kind)).toEqual(['broken', 'broken'])
    expect(await files.stat(instancePaths(directories, 'a').record)).toBeDefined()
  })

  it('outlive the instance’s files, and go when they are told to', async () => {
    const paths = instancePaths(directories, 'a')
    await journal.writeInstance(recordOf('a'))
    await files.writeAtomic(paths.disk({ deviceName: 'disk0', volumeUid: '' }), 'disk')
    await files.makeDirectory(paths.runDirectory)
    await journal.removeFiles('a')
    expect(await files.list(paths.directory)).toEqual(['record.pb'])
    expect(await files.stat(paths.runDirectory)).toBeUndefined()
    await journal.removeInstance('a')
    expect(await journal.listInstances()).toEqual([])
    expect(await files.stat(paths.directory)).toBeUndefined()
  })

  it('that are lost take no disk with them: the instance is told as broken', async () => {
    const paths = instancePaths(directories, 'a')
    await journal.writeInstance(recordOf('a'))
    await files.writeAtomic(paths.disk({ deviceName: 'disk0', volumeUid: '' }), 'disk')
    await files.remove(paths.record)
    await files.makeDirectory(instancePaths(directories, 'b').directory)
    expect((await journal.listInstances()).map(({ kind }) => kind)).toEqual(['broken'])
    expect(await files.stat(paths.disk({ deviceName: 'disk0', volumeUid: '' }))).toBeDefined()
  })
})
