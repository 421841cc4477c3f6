// Every operation of the served document, with bodies that it allows, bodies one step away from that, and parameters of
// every kind: never a 5xx, always an answer of the documented form (the region's `call` checks it), and no change of state
// by what was refused.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromSchema, oneStepAway, type Schema } from '../../support/from-schema.ts'
import type { OpenapiDocument, OpenapiOperation } from '../../support/openapi.ts'
import { type Answer, instancesPath, type Region, startRegion } from './region.ts'

let region: Region
let document: OpenapiDocument & { readonly components: { readonly schemas: Record<string, Schema> } }
let token = ''
beforeAll(async () => {
  region = await startRegion({ hosts: 2 })
  document = (await region.call('GET', '/openapi.json')).body as typeof document
  token = await region.issuer.tokenFor('operator', 'project-x9y8z7:admin')
  const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small'
  await region.call('POST', instancesPath, { body: { type, id: 'target' } })
})
afterAll(() => region.close())

const resolve = (ref: string): Schema =>
  document.components.schemas[ref.slice(ref.lastIndexOf('/') + 1)] ?? {}

const known: Readonly<Record<string, string>> = {
  ...{ region: 'us-texas-1', project: 'project-x9y8z7', zone: 'us1-a', id: 'target', host: 'host-1' },
}
const pathPart = fc.oneof(
  fc.constantFrom('..', '.', '%2e%2e', '%2F', '%00', '%zz', 'a:b', '*', '~', "'", 'x'.repeat(300), 'ü'),
  fc.string({ maxLength: 10 }).map(encodeURIComponent),
)
const parameter = fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom('', '0', '-1', '1e9', '[]', 'true'))

interface Call {
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: unknown
}

function callOf(template: string, operation: OpenapiOperation): fc.Arbitrary<Call> {
  const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
  const parts = fc.tuple(
    ...names.map((name) =>
      fc.oneof({ weight: 5, arbitrary: fc.constant(known[name] ?? 'x') }, { weight: 1, arbitrary: pathPart }),
    ),
  )
  const of = (where: string) => (operation.parameters ?? []).filter((one) => one.in === where)
  const query = fc.dictionary(
    fc.constantFrom(...of('query').map(({ name }) => name), 'unheardOf').filter((name) => name !== 'watch'),
    parameter,
    { maxKeys: 2, noNullPrototype: true },
  )
  const headers = fc.dictionary(
    fc.constantFrom('if-match', 'idempotency-key', 'x-request-id'),
    fc.string({
      unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)),
      maxLength: 30,
    }),
    { maxKeys: 2, noNullPrototype: true },
  )
  const schema = operation.requestBody?.content['application/json']?.schema
  const allowed = schema === undefined ? fc.constant(undefined) : fromSchema(schema, resolve)
  const body = schema === undefined ? allowed : fc.oneof(allowed, oneStepAway(allowed))
  return fc.record({
    path: fc.tuple(parts, query).map(([values, asked]) => {
      const path = names.reduce(
        (text, name, index) => text.replace(`{${name}}`, values[index] ?? ''),
        template,
      )
      const search = new URLSearchParams(asked).toString()
      return search === '' ? path : `${path}?${search}`
    }),
    headers,
    body,
  })
}

const revisionOf = async () => {
  const { body } = await region.call('GET', `${instancesPath}?pageSize=500`)
  const { change } = await region.store.readResourcesAfter(0)
  return JSON.stringify([body.instances, change])
}

describe('every operation', () => {
  it('answers whatever comes in the documented form, and refuses without a trace', async () => {
    let refused = 0
    let before = await revisionOf()
    for (const [template, methods] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(methods)) {
        await fc.assert(
          fc.asyncProperty(callOf(template, operation), async ({ path, headers, body }) => {
            const answer = await region.call(method.toUpperCase(), path, {
              ...{ token, headers },
              ...(body === undefined ? {} : { body }),
            })
            expectGoodAnswer(answer)
            const wasBefore = before
            before = await revisionOf()
            if (answer.status < 400) return
            refused += 1
            expect(before).toBe(wasBefore)
          }),
          { numRuns: Number(process.env['FUZZ_RUNS'] ?? 12) },
        )
      }
    }
    expect(refused).toBeGreaterThan(100)
  }, 900_000)
})

function expectGoodAnswer({ status, body }: Answer): void {
  // 503: a host that is not connected is asked for serial output.
  if (status !== 503) expect(status).toBeLessThan(500)
  if (status < 400) return
  expect(body.error.code).toBe(status)
  expect(body.error.details.length).toBeGreaterThan(0)
  for (const { message, reason } of body.error.details as { message: string; reason: string }[]) {
    expect(reason).toMatch(/^[A-Z0-9_]+$/)
    expect(message).toMatch(/\S/)
    expect(message).not.toMatch(/undefined|\[object|node_modules/)
  }
}
