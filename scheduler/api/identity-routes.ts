// What others verify guests' identity tokens with: the keys, and where OpenID Connect Discovery looks for them. Public, as
// all of it is.
import { Type } from 'typebox'
import type { OperationPorts } from '../operations/ports.ts'
import { about } from './about.ts'
import { publicAccess } from './access.ts'
import { answerRefusal, ErrorBody } from './answer.ts'
import { NoQuery } from './parameters.ts'
import type { Server } from './server.ts'

const KeySet = Type.Object(
  {
    keys: Type.Array(
      Type.Object({
        kty: Type.String(),
        crv: Type.String(),
        x: Type.String(),
        y: Type.String(),
        alg: Type.String(),
        use: Type.String(),
        kid: Type.String(),
      }),
    ),
  },
  { title: 'JsonWebKeySet' },
)
const KeysQuery = Type.Object(
  {
    sub: Type.Optional(
      Type.String({
        description:
          'Of a token: only keys of the host that its instance is on, so that no other is believed.',
      }),
    ),
  },
  { additionalProperties: false },
)
const Discovery = Type.Object(
  {
    issuer: Type.String(),
    jwks_uri: Type.String(),
    response_types_supported: Type.Array(Type.String()),
    subject_types_supported: Type.Array(Type.String()),
    id_token_signing_alg_values_supported: Type.Array(Type.String()),
  },
  { title: 'IdentityDiscovery' },
)

const config = { access: publicAccess }
const params = Type.Object({ region: Type.String() })
const errors = { '4xx': ErrorBody, '5xx': ErrorBody }
/** Short: keys of new hosts and of hosts that are given up. */
const cacheControl = 'public, max-age=60'

export function addIdentityRoutes(server: Server, { identity }: OperationPorts): void {
  server.get(
    '/v1/regions/:region/identity/jwks.json',
    {
      config,
      schema: {
        ...about(
          'Identity',
          'getIdentityKeys',
          "Lists the keys that guests' identity tokens are signed with",
        ),
        ...{ security: [], params, querystring: KeysQuery, response: { 200: KeySet, ...errors } },
      },
    },
    async (request, reply) => {
      const { sub } = request.query
      void reply.header('cache-control', cacheControl)
      if (sub === undefined) return { keys: [...(await identity.all())] }
      const outcome = await identity.forSubject(sub)
      if (outcome.kind === 'refused') return answerRefusal(reply, outcome)
      return { keys: [...outcome.value] }
    },
  )
  server.get(
    '/v1/regions/:region/identity/.well-known/openid-configuration',
    {
      config,
      schema: {
        ...about('Identity', 'getIdentityDiscovery', "Says who guests' identity tokens are from"),
        ...{ security: [], params, querystring: NoQuery, response: { 200: Discovery, ...errors } },
      },
    },
    async (_request, reply) => {
      void reply.header('cache-control', cacheControl)
      return {
        issuer: identity.issuer,
        jwks_uri: `${identity.issuer}/jwks.json`,
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['ES256'],
      }
    },
  )
}
