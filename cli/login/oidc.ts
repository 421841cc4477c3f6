// The OpenID Connect side of a login: the device flow, the refresh of a token, its revocation. In: an issuer and a client.
// Out: tokens, or a sentence about what to do. Never writes a file.
import * as oidc from 'openid-client'
import type { Clock } from '../../lib/clock.ts'
import type { Login } from '../context/context.ts'
import { CliError, exitCodes } from '../exit-codes.ts'

export interface LoginTarget {
  readonly issuer: string
  readonly clientId: string
  readonly audience: string
  readonly scopes: readonly string[]
}

export interface Tokens {
  readonly token: string
  readonly login: Login
}

/** Where the user goes, and with which code. */
export interface DevicePrompt {
  readonly url: string
  /** With the code in it, where the issuer has such a page. */
  readonly completeUrl?: string
  readonly code: string
  readonly expiresInSeconds: number
}

export async function loginWithDevice(
  target: LoginTarget,
  { show, clock }: { show: (prompt: DevicePrompt) => void; clock: Clock },
): Promise<Tokens> {
  const { issuer, audience, scopes } = target
  const config = await discover(target)
  const parameters = { scope: scopes.join(' '), resource: audience, audience }
  try {
    const device = await oidc.initiateDeviceAuthorization(config, parameters)
    show({
      url: device.verification_uri,
      ...(device.verification_uri_complete === undefined
        ? {}
        : { completeUrl: device.verification_uri_complete }),
      code: device.user_code,
      expiresInSeconds: device.expires_in,
    })
    const answer = await oidc.pollDeviceAuthorizationGrant(config, device, { resource: audience })
    return tokensOf(answer, target, clock)
  } catch (thrown) {
    throw explain(thrown, issuer)
  }
}

/** @throws CliError that says to log in again, where the issuer does not want to. */
export async function refreshLogin(login: Login, clock: Clock): Promise<Tokens> {
  const { issuer, audience, refreshToken } = login
  if (refreshToken === undefined) throw loginAgain(issuer)
  try {
    const config = await discover(login)
    const answer = await oidc.refreshTokenGrant(config, refreshToken, { resource: audience })
    return tokensOf({ refresh_token: refreshToken, ...answer }, login, clock)
  } catch (thrown) {
    if (thrown instanceof oidc.ResponseBodyError && thrown.error === 'invalid_grant') {
      throw loginAgain(issuer, thrown)
    }
    throw explain(thrown, issuer)
  }
}

export async function revokeLogin(login: Login): Promise<void> {
  if (login.refreshToken === undefined) return
  const config = await discover(login)
  if (config.serverMetadata().revocation_endpoint === undefined) return
  await oidc.tokenRevocation(config, login.refreshToken)
}

async function discover({
  issuer,
  clientId,
}: Pick<Login, 'issuer' | 'clientId'>): Promise<oidc.Configuration> {
  const url = new URL(issuer)
  // Without TLS only where nobody listens in between.
  const isLocal = url.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)
  const execute = isLocal ? { execute: [oidc.allowInsecureRequests] } : {}
  try {
    return await oidc.discovery(url, clientId, undefined, oidc.None(), execute)
  } catch (thrown) {
    throw new CliError(`The issuer ${issuer} does not say how to log in: is it the right address?`, {
      ...{ exitCode: exitCodes.trouble, cause: thrown },
    })
  }
}

function tokensOf(
  answer: Pick<oidc.TokenEndpointResponse, 'access_token' | 'refresh_token' | 'expires_in'>,
  { issuer, clientId, audience }: Pick<Login, 'issuer' | 'clientId' | 'audience'>,
  clock: Clock,
): Tokens {
  const { access_token: token, refresh_token: refreshToken, expires_in: seconds = 300 } = answer
  return {
    token,
    login: {
      ...{ issuer, clientId, audience, expiresAtMs: clock.nowMs() + seconds * 1000 },
      ...(refreshToken === undefined ? {} : { refreshToken }),
    },
  }
}

const denied = (message: string, cause: unknown) =>
  new CliError(message, { exitCode: exitCodes.denied, cause })

const loginAgain = (issuer: string, cause?: unknown) =>
  denied(`Your login at ${issuer} is over: run berth login.`, cause)

function explain(thrown: unknown, issuer: string): unknown {
  if (!(thrown instanceof oidc.ResponseBodyError)) return thrown
  switch (thrown.error) {
    case 'access_denied':
      return denied('The login was refused in the browser. Nothing is saved.', thrown)
    case 'expired_token':
      return denied('The code has expired: nobody entered it in time. Run berth login again.', thrown)
    default:
      return denied(`The issuer ${issuer} refuses: ${thrown.error_description ?? thrown.error}.`, thrown)
  }
}
