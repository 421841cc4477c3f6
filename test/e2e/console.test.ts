// The console of a real guest, from a WebSocket and from the command line to the shell on its serial port.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import WebSocket from 'ws'
import { smallGuestReady } from '../guest/small-guest.ts'
import { repositoryRoot } from '../support/imports.ts'
import { describeNeeding } from '../support/needs.ts'
import { expectCleanSlate } from './clean-slate.ts'
import { guestNeeds } from './guest-needs.ts'
import type { HostState } from './host-state.ts'
import { createInstance, deleteInstance, readSerial, waitForSerial, waitForStatus } from './instances.ts'
import { type Daemon, instancePath, projectId, type Region, regionId } from './region.ts'
import { openSmallRegion } from './small-region.ts'

const patience = { timeout: 60_000, interval: 100 }

describeNeeding(guestNeeds, "a guest's console", () => {
  let region: Region
  let scheduler: Daemon
  let agent: Daemon
  let before: HostState

  beforeAll(async () => {
    ;({ region, scheduler, agent, before } = await openSmallRegion())
    const userData = { key: 'user-data', value: '#!/bin/sh\n# small-guest: shell\n' }
    await createInstance(region, { id: 'talker', instanceMetadata: [userData] })
    await waitForStatus(region, 'talker', 'RUNNING')
    await waitForSerial(region, 'talker', smallGuestReady)
  })

  afterAll(() => region.close())

  async function look() {
    const url = `${region.url.replace('http', 'ws')}${instancePath('talker')}/console`
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${region.token}` } })
    const seen = { text: '', notes: [] as string[], close: undefined as unknown }
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) seen.text += data.toString()
      else seen.notes.push(data.toString())
    })
    socket.on('close', (code, reason) => {
      seen.close = [code, reason.toString()]
    })
    await new Promise((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    return { socket, seen, type: (line: string) => socket.send(`${line}\n`) }
  }

  it('answers what is typed, before the eyes of all who look, and goes on over a killed agent', async () => {
    const first = await look()
    await expect.poll(() => first.seen.text, patience).toContain(smallGuestReady)
    first.type('echo typed-$((6 * 7))')
    await expect.poll(() => first.seen.text, patience).toContain('typed-42')
    const second = await look()
    await expect.poll(() => second.seen.text, patience).toContain('typed-42')
    second.type('echo also-$((6 * 8))')
    await expect.poll(() => first.seen.text, patience).toContain('also-48')
    expect(await readSerial(region, 'talker')).toContain('also-48')

    await agent.kill('SIGKILL')
    agent = await region.startAgent()
    await expect.poll(() => first.seen.notes.at(-1), patience).toBe('The console goes on.')
    first.type('echo again-$((6 * 9))')
    await expect.poll(() => first.seen.text, patience).toContain('again-54')
    await expect.poll(() => second.seen.text, patience).toContain('again-54')

    // A planned restart misses nothing.
    first.type('(sleep 3; echo meanwhile-$((6 * 10))) &')
    await expect.poll(() => first.seen.text, patience).toContain('(sleep 3')
    await agent.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 4000))
    agent = await region.startAgent()
    await expect.poll(() => first.seen.text, patience).toContain('meanwhile-60')

    first.type('(sleep 3; echo unseen-$((6 * 11))) &')
    await expect.poll(() => second.seen.text, patience).toContain('6 * 11')
    first.socket.close()
    second.socket.close()
    await waitForSerial(region, 'talker', 'unseen-66')
  })

  it('is there on the command line, between pipes, and goes on over upgrades', async () => {
    const child = spawn(
      process.execPath,
      [join(repositoryRoot, 'cli/main.ts'), 'instances', 'console', 'talker'],
      {
        env: {
          PATH: process.env['PATH'],
          BERTH_SERVER: region.url,
          BERTH_TOKEN: region.token,
          BERTH_REGION: regionId,
          BERTH_PROJECT: projectId,
          BERTH_CONFIG: join(region.directory, 'contexts.json'),
        },
      },
    )
    let text = ''
    child.stdout.on('data', (part: Buffer) => {
      text += part.toString()
    })
    let notes = ''
    child.stderr.on('data', (part: Buffer) => {
      notes += part.toString()
    })
    child.stdin.write('echo from-the-command-line-$((1 + 1))\n')
    await expect.poll(() => text, patience).toContain('from-the-command-line-2')

    await agent.kill('SIGTERM')
    agent = await region.startAgent()
    await expect.poll(() => notes, patience).toMatch(/Contact with the host .*\n.*The console goes on/)
    await scheduler.kill('SIGTERM')
    child.stdin.write('echo typed-meanwhile-$((1 + 2))\n')
    scheduler = await region.startScheduler()
    await expect.poll(() => notes, patience).toMatch(/Contact with the server .*\n.*The console goes on/)
    await expect.poll(() => text, patience).toContain('typed-meanwhile-3')
    // Nothing of what was there before comes again.
    expect(text.split('from-the-command-line-2')).toHaveLength(2)
    expect(text.split(smallGuestReady)).toHaveLength(2)
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGTERM')
    expect(await ended).toBe(130)
  })

  it('is over with its guest, and leaves nothing behind', async () => {
    const { seen } = await look()
    await deleteInstance(region, 'talker')
    await expect.poll(() => seen.close, patience).toEqual([1000, 'The guest has stopped.'])
    await expectCleanSlate(region.directory, before)
  })
})
