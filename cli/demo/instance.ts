import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import type { Instance, InstanceRequest } from '../client/resources.ts'
import type { RunningRegion } from '../dev/region.ts'
import { CliError, exitCodes } from '../exit-codes.ts'
import { waitUntilStarted } from '../instances/wait.ts'
import type { Reporter } from './reporter.ts'

export const demoInstanceId = 'demo'
export const demoUser = 'admin'
export const greetingPath = '/etc/berth-demo'

const userData = `#cloud-config
write_files:
  - path: ${greetingPath}
    content: |
      Written by cloud-init, as user-data asked.
`

export function makeDemoRequest(publicKey: string): InstanceRequest {
  return {
    type: 'g1-small',
    id: demoInstanceId,
    displayName: 'The demo guest',
    labels: { made: 'by-the-demo' },
    instanceMetadata: [
      { key: 'ssh-keys', value: `${demoUser}:${publicKey}` },
      { key: 'user-data', value: userData },
    ],
  }
}

export interface DemoInstance {
  readonly instance: Instance
  readonly address: string
}

/** Creates the demo's instance and tells of each state, until its vCPUs run. */
export async function createDemoInstance(
  { client }: RunningRegion,
  options: {
    readonly publicKey: string
    readonly clock: Clock
    readonly random: Random
    readonly reporter: Reporter
  },
): Promise<DemoInstance> {
  const { publicKey, clock, random, reporter } = options
  const created = await client.createInstance({
    body: makeDemoRequest(publicKey),
    idempotencyKey: random.uuid(),
  })
  reporter.event('created', `POST …/compute/instances was accepted: instance ${created.id}`, {
    id: created.id,
    uid: created.uid,
  })
  const instance = await waitUntilStarted(created, {
    client,
    clock,
    random,
    timeoutMs: 300_000,
    onChange: ({ lifecycle }) =>
      reporter.event('state', `${lifecycle.status}: ${lifecycle.statusMessage}`, {
        status: lifecycle.status,
      }),
  })
  const address = instance.nics[0]?.ipv4Address
  if (instance.lifecycle.status !== 'RUNNING' || address === undefined) {
    throw new CliError(`The guest came to rest as ${instance.lifecycle.status} instead of running.`, {
      exitCode: exitCodes.instanceFailed,
    })
  }
  return { instance, address }
}
