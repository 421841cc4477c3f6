import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { FakeExec } from '../../../agent/host/fake/fake-exec.ts'
import { createLinuxSysfs } from '../../../agent/host/linux-sysfs.ts'
import { parseRecording, renderRecording } from '../../../agent/inventory/recording.ts'
import { type FixtureName, fixtureHosts, recordHost } from './fixture-hosts.ts'
import { readRecording, writeTree } from './recorded-sysfs.ts'

it.each(Object.keys(fixtureHosts) as FixtureName[])('records %s from its files as it is', async (name) => {
  const root = mkdtempSync(join(tmpdir(), 'berth-sysfs-'))
  try {
    const text = readRecording(name)
    writeTree(parseRecording(text), root)
    const recording = await recordHost(name, createLinuxSysfs({ exec: new FakeExec({}), root }))
    expect(renderRecording(recording)).toBe(text)
  } finally {
    rmSync(root, { recursive: true })
  }
})

it('keeps one processor of many, for they say the same', async () => {
  const text = 'processor\t: 0\nflags\t\t: vmx\n\nprocessor\t: 1\nflags\t\t: vmx'
  const recording = await recordHost('small-vm', {
    read: async (path) => (path === 'proc/cpuinfo' ? text : undefined),
    list: async () => [],
    readLink: async () => undefined,
    readLinkName: async () => undefined,
    readBytes: async () => undefined,
    write: async () => {},
  })
  expect(renderRecording(recording)).toBe('proc/cpuinfo = processor\\t: 0\\nflags\\t\\t: vmx\n')
})

it('refuses what is no line of a recording', () => {
  expect(() => parseRecording('sys/a = 1\nsys/b 2\n')).toThrow('sys/b 2')
})
