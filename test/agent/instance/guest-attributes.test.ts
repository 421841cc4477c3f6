import { beforeEach, expect, it } from 'vitest'
import { FakeFiles } from '../../../agent/host/fake/fake-files.ts'
import { ensureAttributeSlots, readAttributes } from '../../../agent/instance/guest-attributes.ts'
import { attributeLimits } from '../../../agent/metadata/guest-attributes.ts'
import { instancePaths } from '../../../agent/plan/paths.ts'
import { specOf } from '../drivers/hypervisor/guest-specs.ts'

const directories = { state: '/state', run: '/run' }
const enabled = specOf({ metadata: [{ key: 'enable-guest-attributes', value: 'TRUE' }] })
const [first, second] = instancePaths(directories, enabled.uid).attributeSlots
const content = JSON.stringify({ sequence: 3, attributes: [{ namespace: 'app', key: 'a', value: 'kept' }] })
let files: FakeFiles

beforeEach(async () => {
  files = new FakeFiles({ totalBytes: 1e9, nowMs: () => 0 })
  await files.makeDirectory(instancePaths(directories, enabled.uid).directory)
})

const ensure = (spec = enabled) => ensureAttributeSlots({ files, directories }, spec)
const read = () => readAttributes({ files, directories }, enabled.uid)

it('makes files that the worker alone may write, where the instance asks for it', async () => {
  for (const metadata of [[], [{ key: 'enable-guest-attributes', value: 'FALSE' }]]) {
    expect(await ensure(specOf({ metadata }))).toBeUndefined()
  }
  expect(await files.stat(first)).toBeUndefined()
  expect(await ensure()).toEqual([first, second])
  for (const path of [first, second]) {
    expect(await files.stat(path)).toMatchObject({ sizeBytes: 0, mode: 0o600, uid: 199_999, gid: 199_999 })
  }
  expect(await read()).toEqual([])
})

it('leaves alone what the guest has put, and reads it whether or not it may put more', async () => {
  await ensure()
  await files.writeAtomic(second, content)
  await ensure()
  expect(await read()).toMatchObject([{ key: 'a', value: 'kept' }])
  await ensure(specOf({}))
  expect(await read()).toMatchObject([{ key: 'a', value: 'kept' }])
})

it('takes nothing from a worker that is not itself any more', async () => {
  await ensure()
  await files.writeAtomic(first, content)
  const huge = JSON.stringify({ sequence: 9, attributes: [], pad: 'a'.repeat(attributeLimits.slotBytes) })
  for (const hostile of [
    huge,
    '{"sequence":9,"attributes":[{"namespace":"/","key":"a","value":""}]}',
    '\0',
  ]) {
    await files.writeAtomic(second, hostile)
    expect(await read()).toMatchObject([{ key: 'a', value: 'kept' }])
  }
})

it('has none of an instance that never had any', async () => {
  expect(await read()).toEqual([])
})
