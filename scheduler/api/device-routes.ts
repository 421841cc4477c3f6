// Devices of a host, and operators' verbs on them. A verb is answered with 202 and the device; hosts are in no project, and so
// no operation tells its end: `lastCommand` of the device does.
import type { FastifyRequest } from 'fastify'
import { type Static, type TSchema, Type } from 'typebox'
import { formatTimestamp } from '../../lib/clock.ts'
import { deviceStates } from '../../proto/device-state.ts'
import { hostId, pciAddress } from '../../proto/ids.ts'
import { lineOfText } from '../admission/instance-request.ts'
import { resourcePaths } from '../admission/resource-path.ts'
import { type DeviceRecord, type DeviceVerb, deviceVerbs } from '../model/device.ts'
import { changeDevice, listDevices } from '../operations/devices.ts'
import type { OperationPorts } from '../operations/ports.ts'
import { about } from './about.ts'
import { operatorOnly, principalOf } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { optional } from './catalogue-resources.ts'
import { addCollection, params } from './collection-routes.ts'
import { RefusedError } from './json-body.ts'
import { KeyHeader, MutationQuery, noBody, parseIdempotencyKey } from './parameters.ts'
import type { Server } from './server.ts'

const moment = Type.String({ format: 'date-time' })

const DeviceResource = Type.Object(
  {
    selfLink: Type.String(),
    address: Type.String({ description: 'On the PCI bus of its host.' }),
    acceleratorType: Type.Optional(Type.String({ description: 'Absent of one that no type names.' })),
    pciId: Type.Optional(Type.String({ description: 'vendor:device' })),
    numaNode: Type.Integer({ description: '-1 where unknown.' }),
    present: Type.Boolean({ description: 'It is on the bus.' }),
    state: Type.Enum([...deviceStates]),
    reason: Type.String({ description: 'Machine-readable, where it is not as it should be.' }),
    statusMessage: Type.String({ description: 'For a person: what happened, and what to do.' }),
    stateSince: Type.Optional(moment),
    stateDeadline: Type.Optional(
      Type.String({ format: 'date-time', description: 'When its host stops waiting for the next state.' }),
    ),
    claimedBy: Type.Optional(Type.String({ description: "An instance's uid, or of a reservation's place." })),
    instance: Type.Optional(Type.String({ description: 'Path of the instance that has claimed it.' })),
    holderUid: Type.Optional(
      Type.String({ description: 'The instance whose guest has it, or had it last while it is not free.' }),
    ),
    unscrubbedProject: Type.Optional(
      Type.String({
        description: 'The project whose data may still be in it, for nothing has scrubbed it; * of several.',
      }),
    ),
    lastCommand: Type.Optional(
      Type.Object({
        verb: Type.Enum([...deviceVerbs]),
        status: Type.Enum(['RUNNING', 'DONE'], {
          description:
            'RUNNING until its host has taken it, and a release or a reset until the device is at rest.',
        }),
        error: Type.Optional(Type.Object({ reason: Type.String(), message: Type.String() })),
        requestId: Type.String(),
        askedAt: moment,
      }),
    ),
  },
  { title: 'Device' },
)

const QuarantineBody = Type.Unsafe<{ reason?: string } | null>({
  type: ['object', 'null'],
  properties: {
    reason: { type: 'string', ...lineOfText, maxLength: 256, description: 'Why, for whoever looks later.' },
  },
  additionalProperties: false,
})
const bodies: Readonly<Record<DeviceVerb, TSchema>> = {
  ...{ release: noBody, quarantine: QuarantineBody, reset: noBody },
}
const summaries: Readonly<Record<DeviceVerb, string>> = {
  release: 'Takes a device out of quarantine, or gives it to everybody although it is unscrubbed',
  quarantine: 'Keeps a device away from guests; one that has it keeps it until it ends',
  reset: 'Resets, scrubs and verifies a device that no guest has',
}

const path = '/v1/regions/:region/hosts/:host/devices'

export function addDeviceRoutes(server: Server, ports: OperationPorts): void {
  const { region } = ports.catalogue
  addCollection(server, {
    ...{ path, plural: 'devices', noun: 'Device', access: operatorOnly, schema: DeviceResource },
    list: async (request) => {
      const { host } = request.params as { host: string }
      const outcome = await listDevices(hostId(host), ports)
      if (outcome.kind === 'refused') throw new RefusedError(outcome)
      return outcome.value.map((device) => ({ id: device.address, device }))
    },
    render: ({ device }) => renderDevice(device, region),
  })
  for (const verb of deviceVerbs) {
    server.post(
      // An address has colons of its own.
      `${path}/:id(^[^/]+)::${verb}`,
      {
        config: { access: operatorOnly },
        schema: {
          ...about('Hosts', `${verb}Device`, summaries[verb]),
          ...params(`${path}/:id`),
          querystring: MutationQuery,
          headers: KeyHeader,
          body: bodies[verb],
          response: { 202: DeviceResource, '4xx': ErrorBody, '5xx': ErrorBody },
        },
      },
      async (request, reply) => {
        const outcome = await changeDevice({ verb, ...requestOf(request) }, ports)
        if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
        const device = renderDevice(outcome.value, region)
        return reply.code(202).header('location', device.selfLink).send(device)
      },
    )
  }
}

function requestOf(request: FastifyRequest) {
  const { host, id } = request.params as { host: string; id: string }
  const { reason } = (request.body ?? {}) as { reason?: string }
  const idempotencyKey = parseIdempotencyKey(request, request.query as { requestId?: string })
  return {
    ...{ hostId: hostId(host), address: pciAddress(id), requestId: request.id },
    principal: principalOf(request).subject,
    ...(reason === undefined ? {} : { reason }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  }
}

function renderDevice(device: DeviceRecord, region: string): Static<typeof DeviceResource> {
  const { hostId: host, address, enteredAtMs, deadlineMs, instance, lastCommand } = device
  const paths = resourcePaths(region)
  return {
    ...{ selfLink: paths.device(host, address), address },
    ...optional('acceleratorType', device.acceleratorType),
    ...optional('pciId', device.pciId),
    ...{ numaNode: device.numaNode, present: device.present, state: device.state, reason: device.reason },
    statusMessage: device.message,
    ...optional('stateSince', enteredAtMs === undefined ? undefined : formatTimestamp(enteredAtMs)),
    ...optional('stateDeadline', deadlineMs === undefined ? undefined : formatTimestamp(deadlineMs)),
    ...optional('claimedBy', device.claimedBy),
    ...optional('instance', instance && paths.instance(instance.project, instance.id)),
    ...optional('holderUid', device.holderUid),
    ...optional('unscrubbedProject', device.unscrubbedProject),
    ...optional('lastCommand', lastCommand && renderCommand(lastCommand)),
  }
}

const renderCommand = ({ askedAtMs, ...command }: NonNullable<DeviceRecord['lastCommand']>) => ({
  ...command,
  askedAt: formatTimestamp(askedAtMs),
})
