// What the agent writes and the worker signs with: one file, replaced whole.
import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'

const identityKey = Type.Object({
  /** Its thumbprint (RFC 7638), by which a verifier finds it. */
  kid: Type.String(),
  /** PKCS #8, PEM. */
  privateKey: Type.String(),
  /** SubjectPublicKeyInfo, DER, in Base64. */
  publicKey: Type.String(),
  madeAtMs: Type.Integer(),
})

const identityFileSchema = Type.Object({
  /** Of tokens; absent until the scheduler has told it. */
  issuer: Type.Optional(Type.String()),
  /** Published: what tokens are signed with. */
  current: Type.Optional(identityKey),
  /** Not known to be published yet. */
  next: Type.Optional(identityKey),
  /** Tokens that they signed may be good until then. */
  former: Type.Array(Type.Object({ publicKey: Type.String(), untilMs: Type.Integer() })),
})

export type IdentityKey = Static<typeof identityKey>
export type IdentityFile = Static<typeof identityFileSchema>

/** In the directory of the documents. */
export const identityFileName = 'identity.json'

/** @throws for anything else. */
export const parseIdentityFile = (text: string): IdentityFile =>
  Value.Parse(identityFileSchema, JSON.parse(text))
