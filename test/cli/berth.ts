// Runs `berth` as a user does, against a server that answers like the API and remembers what it was asked.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Instance } from '../../cli/client/resources.ts'
import { repositoryRoot } from '../support/imports.ts'

export interface BerthRun {
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

export async function runBerth(args: readonly string[], env: Record<string, string>): Promise<BerthRun> {
  const folder = mkdtempSync(join(tmpdir(), 'berth-cli-'))
  const child = spawn(process.execPath, [join(repositoryRoot, 'cli/main.ts'), ...args], {
    env: {
      PATH: process.env['PATH'],
      BERTH_CONFIG: join(folder, 'c.json'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    stdout += chunk
  })
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk
  })
  const exitCode = await new Promise<number | null>((resolve) => child.once('close', resolve))
  rmSync(folder, { recursive: true })
  return { exitCode, stdout, stderr }
}

export interface ApiCall {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
}

export interface ApiAnswer {
  readonly status: number
  readonly body?: unknown
}

export interface AnsweringServer {
  readonly url: string
  readonly calls: readonly ApiCall[]
  close(): void
}

/** Answers each `METHOD /path` with its answers in turn, the last one for good. Unknown ones with 404. */
export async function startServer(answers: Record<string, readonly ApiAnswer[]>): Promise<AnsweringServer> {
  const calls: ApiCall[] = []
  const asked = new Map<string, number>()
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      calls.push({ method, path: url, headers, body: text === '' ? undefined : JSON.parse(text) })
      const key = `${method} ${url}`
      const turn = asked.get(key) ?? 0
      asked.set(key, turn + 1)
      const answer = answers[key]?.[Math.min(turn, answers[key].length - 1)] ?? notFound(url)
      response.writeHead(answer.status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(answer.body ?? {}))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    close: () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

export const refusal = (
  status: number,
  message: string,
  details: readonly { reason: string; field?: string; message?: string }[],
): ApiAnswer => ({ status, body: { error: { code: status, message, details } } })

const notFound = (path: string) =>
  refusal(404, `There is nothing at ${path}.`, [
    { reason: 'ROUTE_NOT_FOUND', message: `There is nothing at ${path}.` },
  ])

export const collection = '/v1/regions/us-texas-1/projects/project-x9y8z7/compute/instances'

export const environmentFor = (server: { url: string }) => ({
  BERTH_SERVER: server.url,
  BERTH_TOKEN: 'token-of-the-test',
  BERTH_REGION: 'us-texas-1',
  BERTH_PROJECT: 'project-x9y8z7',
})

export const demoUid = '0197a000-0000-7000-8000-000000000001'

export function instanceIn(status: Instance['lifecycle']['status'], statusMessage: string): Instance {
  return {
    selfLink: `${collection}/demo`,
    uid: demoUid,
    id: 'demo',
    instanceMetadata: [],
    labels: { team: 'ml' },
    type: '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-h100-8',
    hostname: 'demo.us1-a.c.project-x9y8z7.internal',
    lifecycle: { status, statusMessage, reason: 'TEST', since: '2026-11-01T00:00:00.000Z' },
    disks: [
      {
        deviceName: 'disk-0',
        sizeGb: 20,
        interface: 'VIRTIO',
        source: '/v1/regions/us-texas-1/compute/images/debian-12',
        boot: true,
        type: 'PERSISTENT',
        mode: 'READ_WRITE',
        autoDelete: true,
      },
    ],
    nics: [
      {
        name: 'nic0',
        subnet: '/v1/regions/r/projects/p/compute/subnets/default',
        network: '/v1/regions/us-texas-1/projects/project-x9y8z7/compute/networks/default',
        ipv4Address: '10.80.0.5',
        macAddress: '02:00:00:00:00:01',
      },
    ],
    gpus: [{ type: '/v1/regions/us-texas-1/zones/us1-a/accelerator-types/nvidia-h100-80gb', count: 8 }],
    createdAt: '2026-11-01T00:00:00.000Z',
    updatedAt: '2026-11-01T00:00:00.000Z',
  }
}
