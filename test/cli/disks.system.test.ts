import { afterEach, expect, it } from 'vitest'
import {
  type AnsweringServer,
  type ApiAnswer,
  collection,
  demoUid,
  environmentFor,
  instanceIn,
  runBerth,
  startServer,
} from './berth.ts'

const disks = collection.replace(/instances$/, 'disks')
const operation = `${collection.replace(/instances$/, 'operations')}/op-1`
const disk = { id: 'data', sizeGb: 20, status: 'READY', users: [] }
const running = instanceIn('RUNNING', 'The vCPUs run.')
const accepted = { ...running, lifecycle: { ...running.lifecycle, operationId: 'op-1' } }

let server: AnsweringServer | undefined
afterEach(() => server?.close())

async function run(answers: Record<string, readonly ApiAnswer[]>, ...args: string[]) {
  server = await startServer(answers)
  return runBerth(args, environmentFor(server))
}

it('creates a disk as the flags say', async () => {
  const flags = ['--size-gb', '20', '--image', 'debian-12']
  const answers = { [`POST ${disks}`]: [{ status: 201, body: disk }] }
  const created = await run(answers, 'disks', 'create', 'data', ...flags)
  expect(created.exitCode).toBe(0)
  expect(created.stdout).toMatch(/data +READY +20/)
  expect(server?.calls[0]?.body).toEqual({ id: 'data', sizeGb: 20, sourceImage: 'debian-12' })
})

it('waits until the guest has a disk, and tells why it does not get one', async () => {
  const attach = (done: object) =>
    run(
      {
        [`POST ${collection}/demo:attachDisk`]: [{ status: 202, body: accepted }],
        [`GET ${collection}/${demoUid}`]: [{ status: 200, body: accepted }],
        [`GET ${operation}`]: [{ status: 200, body: { status: 'DONE', ...done } }],
      },
      ...['instances', 'attach-disk', 'demo', 'data', '--device-name', 'logs'],
    )
  expect(await attach({})).toMatchObject({ exitCode: 0, stdout: 'demo has data as logs\n' })
  expect(server?.calls[0]?.body).toEqual({ source: 'data', deviceName: 'logs' })
  server?.close()
  const failed = await attach({ error: { reason: 'DISK_FULL', message: 'The host has no room.' } })
  expect(failed.exitCode).not.toBe(0)
  expect(failed.stderr).toContain('The host has no room.')
})
