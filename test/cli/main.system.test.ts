import { afterEach, describe, expect, it } from 'vitest'
import {
  type AnsweringServer,
  type ApiAnswer,
  collection,
  demoUid,
  environmentFor,
  instanceIn,
  refusal,
  runBerth,
  startServer,
} from './berth.ts'

let server: AnsweringServer | undefined

async function run(answers: Record<string, readonly ApiAnswer[]>, ...args: string[]) {
  server = await startServer(answers)
  return runBerth(args, environmentFor(server))
}

afterEach(() => server?.close())

const running = instanceIn('RUNNING', 'The vCPUs run.')

describe('instances create', () => {
  it('sends what the flags say, shows each state as it comes, and prints the instance', async () => {
    const { exitCode, stdout, stderr } = await run(
      {
        [`POST ${collection}`]: [{ status: 202, body: instanceIn('PROVISIONING', 'Placed.') }],
        [`GET ${collection}/${demoUid}`]: [
          { status: 200, body: instanceIn('PROVISIONING', 'Placed.') },
          { status: 200, body: instanceIn('STAGING', 'Image: 40 %.') },
          { status: 200, body: instanceIn('STAGING', 'Image: 80 %.') },
          { status: 200, body: running },
        ],
      },
      ...['instances', 'create', 'demo', '--type', 'g1-h100-8', '--label', 'team=ml'],
      ...['--idempotency-key', 'first-try'],
    )
    expect(exitCode).toBe(0)
    const [create] = server?.calls ?? []
    expect(create?.body).toEqual({ type: 'g1-h100-8', id: 'demo', labels: { team: 'ml' } })
    expect(create?.headers['idempotency-key']).toBe('first-try')
    expect(create?.headers.authorization).toBe('Bearer token-of-the-test')
    expect(stderr.replaceAll(/\d+\.\d s/g, 'N s')).toMatchInlineSnapshot(`
      "Creating instance demo
       N s  PROVISIONING    Placed.
       N s  STAGING         Image: 40 %.
       N s  STAGING         Image: 80 %.
       N s  RUNNING         The vCPUs run.
      "
    `)
    expect(stdout).toMatchInlineSnapshot(`
      "id        demo
      uid       0197a000-0000-7000-8000-000000000001
      status    RUNNING since 2026-11-01T00:00:00.000Z
                The vCPUs run.
      type      g1-h100-8
      hostname  demo.us1-a.c.project-x9y8z7.internal
      nic0      10.80.0.5  02:00:00:00:00:01  network default
      disk-0    20 GB VIRTIO from debian-12
      gpus      8xnvidia-h100-80gb
      labels    team=ml
      created   2026-11-01T00:00:00.000Z
      "
    `)
  })

  it('makes an idempotency key where none is given, and repeats the call with it when the server is busy', async () => {
    const { exitCode } = await run(
      {
        [`POST ${collection}`]: [
          refusal(503, 'Try again.', [{ reason: 'TRY_AGAIN' }]),
          { status: 202, body: running },
        ],
      },
      ...['instances', 'create', '--type', 'g1-small', '--no-wait'],
    )
    expect(exitCode).toBe(0)
    const keys = server?.calls.map((call) => call.headers['idempotency-key'])
    expect(keys).toHaveLength(2)
    expect(keys?.[0]).toMatch(/^[0-9a-f-]{36}$/)
    expect(keys?.[1]).toBe(keys?.[0])
  })

  it('ends with 6 and the reason when the instance fails', async () => {
    const { exitCode, stdout, stderr } = await run(
      {
        [`POST ${collection}`]: [{ status: 202, body: instanceIn('PROVISIONING', 'Placed.') }],
        [`GET ${collection}/${demoUid}`]: [
          { status: 200, body: instanceIn('FAILED', 'The image has another checksum.') },
        ],
      },
      ...['instances', 'create', '--type', 'g1-small'],
    )
    expect(exitCode).toBe(6)
    expect(stdout).toBe('')
    expect(stderr).toContain('Instance demo failed: The image has another checksum.')
    expect(stderr).toContain('berth instances events demo')
  })
})

describe('what the server refuses', () => {
  it('is told with every problem and its field', async () => {
    const { exitCode, stderr } = await run(
      {
        [`POST ${collection}`]: [
          refusal(422, 'The request has 2 problems.', [
            { reason: 'REFERENCE_NOT_FOUND', field: 'type', message: 'Instance type x does not exist.' },
            { reason: 'INVALID_SSH_KEY', field: 'instanceMetadata[0]', message: 'Line 1 is no key.' },
          ]),
        ],
      },
      ...['instances', 'create', '--type', 'x'],
    )
    expect(exitCode).toBe(2)
    expect(stderr).toBe(
      'berth: The request has 2 problems.\n' +
        '  type: Instance type x does not exist.\n' +
        '  instanceMetadata[0]: Line 1 is no key.\n',
    )
  })

  it('is told apart from a server that is not there', async () => {
    const { exitCode, stderr } = await runBerth(
      ['instances', 'list'],
      environmentFor({ url: 'http://127.0.0.1:1' }),
    )
    expect(exitCode).toBe(1)
    expect(stderr).toContain('http://127.0.0.1:1 does not answer')
  })
})

describe('instances list', () => {
  const answers = {
    [`GET ${collection}?pageSize=500`]: [
      { status: 200, body: { instances: [running], nextPageToken: 'abc' } },
    ],
    [`GET ${collection}?pageSize=500&pageToken=abc`]: [
      { status: 200, body: { instances: [{ ...instanceIn('STOPPED', 'Off.'), id: 'second', gpus: [] }] } },
    ],
  }

  it('shows every page as one table', async () => {
    const { stdout } = await run(answers, 'instances', 'list')
    expect(stdout.replaceAll(/\d+ (d|h|min|s)\b/g, 'AGE')).toMatchInlineSnapshot(`
      "ID      STATUS   TYPE       ADDRESS    GPUS                AGE
      demo    RUNNING  g1-h100-8  10.80.0.5  8xnvidia-h100-80gb  AGE
      second  STOPPED  g1-h100-8  10.80.0.5  -                   AGE
      "
    `)
  })

  it('gives names, JSON and YAML to scripts', async () => {
    expect((await run(answers, 'instances', 'list', '-o', 'name')).stdout).toBe('demo\nsecond\n')
    server?.close()
    const json = JSON.parse((await run(answers, 'instances', 'list', '-o', 'json')).stdout) as unknown[]
    expect(json[0]).toEqual(running)
    server?.close()
    expect((await run(answers, 'instances', 'list', '-o', 'yaml')).stdout).toContain('id: second\n')
  })
})

describe('instances delete', () => {
  it('waits, by uid, until the instance is gone', async () => {
    const { exitCode, stdout, stderr } = await run(
      {
        [`GET ${collection}/demo`]: [{ status: 200, body: running }],
        [`DELETE ${collection}/${demoUid}`]: [{ status: 202, body: running }],
        [`GET ${collection}/${demoUid}`]: [
          { status: 200, body: instanceIn('DEPROVISIONING', 'Powering off.') },
          refusal(404, 'Gone.', [{ reason: 'NOT_FOUND' }]),
        ],
      },
      ...['instances', 'delete', 'demo', '--wait'],
    )
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'Deleted demo\n' })
    expect(stderr).toContain('DEPROVISIONING  Powering off.')
  })
})

describe('instances serial', () => {
  it('follows what comes, says what is lost, and ends with the instance', async () => {
    const page = (start: string, contents: string, next: string) => ({
      status: 200,
      body: { contents, start, next },
    })
    const { exitCode, stdout, stderr } = await run(
      {
        [`GET ${collection}/demo/serialPort?port=1&start=0`]: [page('0', 'boot\n', '5')],
        [`GET ${collection}/demo/serialPort?port=1&start=5`]: [page('5', '', '5'), page('9', 'ing\n', '13')],
        [`GET ${collection}/demo/serialPort?port=1&start=13`]: [
          refusal(404, 'Instance demo does not exist.', [{ reason: 'NOT_FOUND' }]),
        ],
      },
      ...['instances', 'serial', 'demo', '--follow'],
    )
    expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: 'boot\ning\n' })
    expect(stderr).toContain('4 bytes are lost')
  })
})

describe('usage', () => {
  it.each([
    [['instances', 'create'], "required option '--type <type>' not specified"],
    [['instances', 'list', '--output', 'xml'], '--output xml: choose one of table, json, yaml, name.'],
    [['instances', 'create', '--type', 't', '--ssh-key', 'me:@/nowhere.pub'], 'The file /nowhere.pub can'],
    [['instances', 'serial', 'demo', '--start', 'x'], '--start x: write a byte offset.'],
    [['dev', '--port', '99999'], 'It must be a port'],
    [['wharf'], "unknown command 'wharf'"],
  ])('%j ends with 2', async (args, message) => {
    const { exitCode, stderr } = await run(
      { [`GET ${collection}?pageSize=500`]: [{ status: 200, body: { instances: [] } }] },
      ...args,
    )
    expect(exitCode).toBe(2)
    expect(stderr).toContain(message)
  })

  it('names what is missing where no context is saved', async () => {
    const { exitCode, stderr } = await runBerth(['instances', 'list'], { BERTH_SERVER: 'http://127.0.0.1:1' })
    expect(exitCode).toBe(2)
    expect(stderr).toContain('--token (or BERTH_TOKEN), --region (or BERTH_REGION)')
  })

  it('explains the exit codes', async () => {
    const { exitCode, stdout } = await runBerth(['--help'], {})
    expect(exitCode).toBe(0)
    expect(stdout).toContain('6 the instance failed')
  })
})
