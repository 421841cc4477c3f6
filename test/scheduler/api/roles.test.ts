// Every route of the document × every kind of caller: who is let in is worked out here from the path alone, and must be
// what the server does.
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { OpenapiDocument } from '../../support/openapi.ts'
import { type Region, startRegion } from './region.ts'

let region: Region
let document: OpenapiDocument
const tokens = new Map<string, string>()
beforeAll(async () => {
  region = await startRegion()
  document = (await region.call('GET', '/openapi.json')).body as OpenapiDocument
  for (const [name, roles] of Object.entries(callers))
    tokens.set(name, await region.issuer.tokenFor(...roles))
})
afterAll(() => region.close())

const own = 'project-x9y8z7'
const callers = {
  nobody: [],
  viewer: [`${own}:viewer`],
  editor: [`${own}:editor`],
  admin: [`${own}:admin`],
  'viewer everywhere': ['*:viewer'],
  operator: ['operator'],
  'admin elsewhere': ['project-other:admin'],
  'words that mean nothing': ['superuser', `${own}:owner`, `${own}`, ':admin'],
} as const
type Caller = keyof typeof callers

const ranks: Partial<Record<Caller, number>> = { viewer: 1, 'viewer everywhere': 1, editor: 2, admin: 3 }

/** The status of who is not let in; undefined for who is. */
function expected(method: string, template: string, caller: Caller): number | undefined {
  if (template.includes('/hosts') || /\{region\}\/(audit|capacity\b.*)$|^\/metrics$/.test(template))
    return caller === 'operator' ? undefined : 403
  const isOperators = (template.endsWith('/quotas') && method === 'put') || template.endsWith('/placement')
  if (isOperators) return caller === 'operator' ? undefined : 403
  if (!template.includes('{project}')) {
    return method === 'get' || caller === 'operator' ? undefined : 403
  }
  const rank = ranks[caller] ?? 0
  if (rank === 0) return 404
  const isRead = method === 'get' || /:(plan|batchPlan)$/.test(template)
  const isAdmins = /\/(networks|subnets|instance-types)\b/.test(template)
  const isAudit = template.endsWith('/audit')
  return rank >= (isAudit ? 3 : isRead ? 1 : isAdmins ? 3 : 2) ? undefined : 403
}

const pathOf = (template: string, project = own) =>
  template
    .replace('{region}', 'us-texas-1')
    .replace('{project}', project)
    .replace('{zone}', 'us1-a')
    .replace('{id}', 'nothing-of-that-name')
    .replace('{family}', 'nothing-of-that-name')
    .replace('{network}', 'default')

it('lets in who has the role, and nobody else', async () => {
  let checked = 0
  for (const [template, methods] of Object.entries(document.paths)) {
    if (!template.startsWith('/v1/')) continue
    for (const method of Object.keys(methods)) {
      const call = (path: string, token: string) => region.call(method.toUpperCase(), path, { token })
      const path = pathOf(template)
      // Verifiers of guests' identity have no token of this region.
      const withoutToken = template.includes('/identity/') ? 200 : 401
      expect([method, template, (await call(path, '')).status]).toEqual([method, template, withoutToken])
      for (const [caller, token] of tokens) {
        const { status, body } = await call(path, token)
        const refusal = expected(method, template, caller as Caller)
        const said = [caller, method, template, status]
        if (refusal !== undefined) {
          expect(said).toEqual([caller, method, template, refusal])
          // Another project is told apart from none by nothing.
          const unknown = await call(pathOf(template, 'project-none'), token)
          const text = JSON.stringify(body).replaceAll(own, 'P')
          if (refusal === 404) expect(JSON.stringify(unknown.body).replaceAll('project-none', 'P')).toBe(text)
        } else {
          expect(said).not.toEqual([caller, method, template, 401])
          expect(said).not.toEqual([caller, method, template, 403])
          expect(body?.error?.details?.[0]?.reason).not.toBe('PROJECT_NOT_FOUND')
        }
        checked += 1
      }
    }
  }
  expect(checked).toBeGreaterThan(200)
})

it('lets nobody ask without end, each by himself', async () => {
  const limited = await startRegion({ requestsPerMinute: 5 })
  const ask = (token: string) => limited.call('GET', '/v1/regions', { token })
  const [one, two] = [
    await limited.issuer.tokenFor(),
    await limited.issuer.sign({ sub: 'bob', berth_roles: [] }),
  ]
  for (let time = 0; time < 5; time += 1) expect((await ask(one)).status).toBe(200)
  const refused = await ask(one)
  expect([refused.status, refused.body.error.details[0].reason]).toEqual([429, 'TOO_MANY_REQUESTS'])
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await ask(two)).status).toBe(200)
  expect((await limited.call('GET', '/healthz')).status).toBe(200)
  await limited.close()
})
