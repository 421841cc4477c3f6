// Finishes the document that the routes make: schemas with a title become components, answers get their headers and words,
// and what one media type can't say is added.

type Json = null | boolean | number | string | readonly Json[] | JsonObject
interface JsonObject {
  readonly [key: string]: Json
}

const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function completeDocument(raw: object): object {
  const document = JSON.parse(JSON.stringify(raw)) as JsonObject
  const schemas = new Map<string, Json>()
  const paths = mapObject(document['paths'], (methods) => mapObject(methods, completeOperation))
  const withReferences = refer(paths, schemas)
  const components = isObject(document['components']) ? document['components'] : {}
  const named = Object.fromEntries([...schemas].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  return { ...document, paths: withReferences, components: { ...components, schemas: named } }
}

/** Every schema with a title, once; a reference everywhere else. */
function refer(value: Json, schemas: Map<string, Json>): Json {
  if (Array.isArray(value)) return (value as readonly Json[]).map((one) => refer(one, schemas))
  if (!isObject(value)) return value
  const inside = mapValues(value, (child) => refer(child, schemas))
  const { title } = value
  // A property can be called title too: there it is a schema.
  if (typeof title !== 'string' || !('type' in value)) return inside
  schemas.set(title, inside)
  return { $ref: `#/components/schemas/${title}` }
}

function completeOperation(operation: JsonObject): JsonObject {
  const { requestBody, operationId } = operation
  const responses = mapObject(operation['responses'], (response, code) =>
    completeResponse(response, code, operation),
  )
  return {
    ...operation,
    ...(isObject(requestBody) ? { requestBody: completeBody(requestBody, operation) } : {}),
    responses: operationId === 'openConsole' ? { '101': upgraded, ...responses } : responses,
  }
}

const upgraded = { description: 'With Upgrade: websocket. The connection is the console from now on.' }

function completeBody(body: JsonObject, { operationId }: JsonObject): JsonObject {
  const content = isObject(body['content']) ? body['content'] : {}
  const media = content['application/json']
  const schema = isObject(media) ? media['schema'] : undefined
  const types = isObject(schema) ? schema['type'] : undefined
  // What may be null may be left out.
  if (isObject(schema) && Array.isArray(types)) {
    const present = (types as readonly Json[]).filter((type) => type !== 'null')
    return {
      required: false,
      content: { 'application/json': { schema: { ...schema, type: present[0] ?? 'object' } } },
    }
  }
  if (!String(operationId).startsWith('update')) return body
  return { ...body, content: { ...content, 'application/merge-patch+json': media ?? {} } }
}

const text = (description: string) => ({ description, schema: { type: 'string' } })
const always = { 'X-Request-Id': text('Names the request in every log line; the one that was sent, if any.') }
const ofAccepted = {
  Location: text('Path of the instance.'),
  Operation: text('Path of the operation that tells how it ended.'),
  ETag: text('For If-Match.'),
}
const ofAcceptedDevice = { Location: text('Path of the device.') }
const ofMade = { Location: text('Path of what was made.'), ETag: text('For If-Match.') }
const descriptions: Readonly<Record<string, string>> = {
  '200': 'As asked.',
  '201': 'Made.',
  '204': 'Gone.',
  '202': 'Accepted and durable; the operation tells how it ends.',
  '4XX': 'What is wrong with the request, every problem of it.',
  '5XX': 'Trouble here; with Retry-After where a repeat can help.',
}

function completeResponse(response: JsonObject, code: string, { operationId }: JsonObject): JsonObject {
  if (code === '204') return { description: descriptions[code] ?? '', headers: always }
  const content = isObject(response['content']) ? response['content'] : {}
  const accepted = String(operationId).endsWith('Device')
    ? { description: 'Accepted and durable; lastCommand tells how it ends.', headers: ofAcceptedDevice }
    : { description: descriptions['202'] ?? '', headers: ofAccepted }
  const canStream = code === '200' && (operationId === 'listInstances' || operationId === 'getInstance')
  return {
    ...response,
    description: code === '202' ? accepted.description : (descriptions[code] ?? code),
    headers: { ...always, ...(code === '202' ? accepted.headers : code === '201' ? ofMade : {}) },
    content: {
      ...content,
      ...(canStream
        ? { 'text/event-stream': { schema: { type: 'string', description: 'With watch=true.' } } }
        : {}),
    },
  }
}

const mapValues = (object: JsonObject, change: (value: Json, key: string) => Json): JsonObject =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]))

const mapObject = (object: Json | undefined, change: (value: JsonObject, key: string) => Json): JsonObject =>
  mapValues(isObject(object) ? object : {}, (value, key) => (isObject(value) ? change(value, key) : value))
