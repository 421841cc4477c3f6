// What operators watch, in Prometheus' text: what could be placed, who is connected, how creates end. In: the fleet as of
// the scrape, and answers as they leave. Out: /metrics, for operators. Never: names of projects or instances.
import type { FastifyRequest } from 'fastify'
import { Counter, Gauge, Registry } from 'prom-client'
import { Type } from 'typebox'
import type { OperationPorts } from '../operations/ports.ts'
import { readCapacity } from '../operations/read-capacity.ts'
import { about } from './about.ts'
import { operatorOnly } from './access.ts'
import { ErrorBody } from './answer.ts'
import { NoQuery } from './parameters.ts'
import type { Server } from './server.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Of a refusal for want of capacity: the rules that ruled hosts out. */
    refusedRules: readonly string[] | undefined
  }
}

const creates: ReadonlySet<string> = new Set(['createInstance', 'batchCreateInstances'])

/** Before any route. */
export function addMetrics(server: Server, ports: OperationPorts): void {
  const registry = new Registry()
  const countCreate = createCounters(registry)
  const show = [hostGauges(registry, ports), capacityGauges(registry, ports)]
  server.decorateRequest('refusedRules', undefined)
  server.addHook('onResponse', async (request) => {
    const { operationId = '' } = (request.routeOptions.schema ?? {}) as { operationId?: string }
    if (creates.has(operationId)) countCreate(request)
  })
  server.get(
    '/metrics',
    {
      config: { access: operatorOnly },
      schema: {
        ...about('Health', 'getMetrics', 'What to watch, in the text format of Prometheus, for operators'),
        querystring: NoQuery,
        response: {
          200: { content: { 'text/plain': { schema: Type.String() } } },
          ...{ '4xx': ErrorBody, '5xx': ErrorBody },
        },
      },
    },
    async (_request, reply) => {
      for (const one of show) one()
      return reply.type(registry.contentType).send(await registry.metrics())
    },
  )
}

function createCounters(registry: Registry): (request: FastifyRequest) => void {
  const registers = [registry]
  const requests = new Counter({
    ...{ name: 'berth_create_requests_total', registers, labelNames: ['result'] as const },
    help: 'Creates of one instance or several, by how they were answered: accepted, or the first reason of the refusal.',
  })
  const refusals = new Counter({
    ...{ name: 'berth_create_refusals_total', registers, labelNames: ['rule'] as const },
    help: 'Creates that no host could take, by the placement rules that ruled hosts out.',
  })
  requests.inc({ result: 'accepted' }, 0)
  return ({ refusedFor, refusedRules = [] }) => {
    requests.inc({ result: refusedFor ?? 'accepted' })
    for (const rule of new Set(refusedRules)) refusals.inc({ rule })
  }
}

function hostGauges(registry: Registry, { fleet }: OperationPorts): () => void {
  const registers = [registry]
  const hosts = new Gauge({
    ...{ name: 'berth_hosts', registers, labelNames: ['zone', 'state'] as const },
    help: 'Hosts by what operators have said of them.',
  })
  const connected = new Gauge({
    ...{ name: 'berth_connected_hosts', registers, labelNames: ['zone'] as const },
    help: 'Hosts whose agent has a session that is not silent.',
  })
  return () => {
    hosts.reset()
    connected.reset()
    for (const { zone, state, connected: isConnected } of fleet.snapshot()) {
      hosts.inc({ zone, state })
      connected.inc({ zone }, isConnected ? 1 : 0)
    }
  }
}

function capacityGauges(registry: Registry, ports: OperationPorts): () => void {
  const gauge = <Label extends string = never>(name: string, help: string, ...more: Label[]) =>
    new Gauge({ name, help, registers: [registry], labelNames: ['zone', 'accelerator', ...more] })
  const gpus = gauge('berth_gpus', 'GPUs that there are.')
  const claimed = gauge('berth_claimed_gpus', 'GPUs that instances and reservations have.')
  const free = gauge('berth_free_gpus', 'GPUs on ready hosts that nobody has.')
  const kept = gauge('berth_kept_gpus', 'Free GPUs that are kept for one project, for want of scrubbing.')
  const unavailable = gauge(
    'berth_unavailable_gpus',
    'GPUs on their way back, quarantined, absent, or on hosts that are not ready.',
  )
  const stranded = gauge('berth_stranded_gpus', 'Free GPUs that no request of any size could use.')
  const largest = gauge('berth_largest_placeable_gpus', 'The most GPUs that one request could get now.')
  const placeable = gauge('berth_placeable_requests', 'How many requests of a size would fit now.', 'gpus')
  return () => {
    for (const one of [gpus, claimed, free, kept, unavailable, stranded, largest, placeable]) one.reset()
    for (const { zone, type: accelerator, ...seen } of readCapacity(ports)) {
      const labels = { zone, accelerator }
      gpus.set(labels, seen.gpus)
      claimed.set(labels, seen.claimed)
      free.set(labels, seen.free)
      kept.set(labels, seen.kept)
      unavailable.set(labels, seen.unavailable)
      stranded.set(labels, seen.stranded)
      largest.set(labels, seen.largest)
      for (const { gpus: size, requests } of seen.placeable)
        placeable.set({ ...labels, gpus: size }, requests)
    }
  }
}
