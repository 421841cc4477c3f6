// Tells a client where tokens for this API come from (RFC 9728), and what `berth login` is called there.
import { Type } from 'typebox'
import type { AuthSettings } from '../config.ts'
import { about } from './about.ts'
import { publicAccess } from './access.ts'
import { ErrorBody } from './answer.ts'
import type { Server } from './server.ts'

const ProtectedResource = Type.Object(
  {
    resource: Type.String({ description: 'Audience of the tokens.' }),
    authorization_servers: Type.Array(Type.String({ description: 'Issuer.' })),
    scopes_supported: Type.Array(Type.String()),
    bearer_methods_supported: Type.Array(Type.String()),
    berth_cli_client_id: Type.Optional(Type.String({ description: 'Public client of the device flow.' })),
  },
  { title: 'ProtectedResource' },
)

export type LoginSettings = Pick<AuthSettings, 'issuer' | 'audience' | 'cli'>

export function addLoginRoute(server: Server, { issuer, audience, cli }: LoginSettings): void {
  server.get(
    '/.well-known/oauth-protected-resource',
    {
      config: { access: publicAccess },
      schema: {
        ...about('Health', 'getProtectedResource', 'Says where tokens come from'),
        security: [],
        response: { 200: ProtectedResource, '4xx': ErrorBody, '5xx': ErrorBody },
      },
    },
    async () => ({
      resource: audience,
      authorization_servers: [issuer],
      scopes_supported: [...(cli?.scopes ?? [])],
      bearer_methods_supported: ['header'],
      ...(cli === undefined ? {} : { berth_cli_client_id: cli.clientId }),
    }),
  )
}
