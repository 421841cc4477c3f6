// Who may call a route: each says so where it is registered, and the server refuses to start with one that doesn't.
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { includesRole, type Principal, type ProjectRole, roleIn } from '../auth/roles.ts'
import type { TokenVerifier } from '../auth/verify-token.ts'
import { type Refusal, refuse } from '../errors.ts'
import type { Catalogue, Project } from '../model/catalogue.ts'
import { authorizationOf } from './bearer-protocol.ts'
import { RefusedError } from './json-body.ts'

export type Access =
  | { readonly kind: 'public' }
  | { readonly kind: 'signed-in' }
  | { readonly kind: 'operator' }
  /** The operator, in a project that he need have no role in. */
  | { readonly kind: 'operator-in-project' }
  | { readonly kind: 'project'; readonly role: ProjectRole }

export const publicAccess: Access = { kind: 'public' }
export const signedIn: Access = { kind: 'signed-in' }
export const operatorOnly: Access = { kind: 'operator' }
export const operatorInProject: Access = { kind: 'operator-in-project' }
export const projectAccess = (role: ProjectRole): Access => ({ kind: 'project', role })

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access
    /** The token may come as a WebSocket subprotocol. */
    takesBearerProtocol?: boolean
  }
  interface FastifyRequest {
    principal: Principal | undefined
    project: Project | undefined
  }
}

export function guardRoutes(
  app: FastifyInstance,
  { verifier, catalogue }: { verifier: TokenVerifier; catalogue: Catalogue },
): void {
  app.decorateRequest('principal', undefined)
  app.decorateRequest('project', undefined)
  app.addHook('onRoute', (route) => {
    if (route.config?.access === undefined)
      throw new Error(`The route ${route.url} does not say who may call it.`)
  })
  app.addHook('onRequest', async (request) => {
    const { access } = request.routeOptions.config
    if (access === undefined) return
    if (access.kind === 'public') {
      const elsewhere = checkRegion(request, catalogue)
      if (elsewhere !== undefined) throw new RefusedError(elsewhere)
      return
    }
    const verification = await verifier.verify(authorizationOf(request))
    if (verification.kind === 'refused') throw new RefusedError(verification)
    request.principal = verification.principal
    const refusal = checkRegion(request, catalogue) ?? checkRole(request, access, catalogue)
    if (refusal !== undefined) throw new RefusedError(refusal)
  })
}

const parameter = (request: FastifyRequest, name: string): string | undefined =>
  (request.params as Readonly<Record<string, string>>)[name]

function checkRegion(request: FastifyRequest, { region }: Catalogue): Refusal | undefined {
  const asked = parameter(request, 'region')
  if (asked === undefined || asked === region) return undefined
  return refuse('NOT_FOUND', { what: 'Region', id: asked, where: 'this deployment' })
}

function checkRole(request: FastifyRequest, access: Access, { projects }: Catalogue): Refusal | undefined {
  const principal = principalOf(request)
  const mustOperate = access.kind === 'operator' || access.kind === 'operator-in-project'
  if (mustOperate && !principal.operator) {
    return refuse('ROLE_MISSING', { role: 'operator', where: 'in this region' })
  }
  if (access.kind === 'operator-in-project') {
    request.project = projects.find((candidate) => candidate.id === parameter(request, 'project'))
    const id = parameter(request, 'project') ?? ''
    return request.project === undefined ? refuse('PROJECT_NOT_FOUND', { id }) : undefined
  }
  if (access.kind !== 'project') return undefined

  // A project without a role is answered as one that does not exist: names of others' projects don't leak.
  const id = parameter(request, 'project') ?? ''
  const held = roleIn(principal, id)
  const project = projects.find((candidate) => candidate.id === id)
  if (held === undefined || project === undefined) return refuse('PROJECT_NOT_FOUND', { id })
  if (!includesRole(held, access.role)) {
    return refuse('ROLE_MISSING', { role: access.role, where: `in project ${id}` })
  }
  request.project = project
  return undefined
}

/** Of a request that passed the guard. */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal === undefined) throw new Error('A route without a verified token asked who calls.')
  return request.principal
}

/** Of a request to a route with project access that passed the guard. */
export function projectOf(request: FastifyRequest): Project {
  if (request.project === undefined) throw new Error('A route outside of projects asked for the project.')
  return request.project
}
