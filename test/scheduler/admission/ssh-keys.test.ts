import { describe, expect, it } from 'vitest'
import { findSshKeyProblems } from '../../../scheduler/admission/ssh-keys.ts'
import { exampleKey } from './context.ts'

const good = [
  `admin:${exampleKey}`,
  `admin:${exampleKey} admin@hostname`,
  `admin:${exampleKey} admin@hostname\r`,
  `_x-1:no-pty,command="echo ssh-rsa \\"a b\\"" ${exampleKey}`,
  `admin:${exampleKey} google-ssh {"userName":"x","expireOn":"2030-01-01T00:00:00+0000"}`,
]

const blob = exampleKey.split(' ')[1] ?? ''
const bad: readonly (readonly [string, RegExp])[] = [
  [exampleKey, /has no user/],
  [`${exampleKey} a:b`, /has no user/],
  [`Admin:${exampleKey}`, /user name/],
  [`:${exampleKey}`, /user name/],
  ['admin:', /no key type/],
  [`admin:ssh-dss ${blob}`, /no key type/],
  ['admin:ssh-ed25519', /no key after/],
  ['admin:ssh-ed25519 not+base=64', /not base64/],
  [`admin:ssh-ed25519 ${blob.slice(0, -8)}`, /cut short/],
  [`admin:ssh-rsa ${blob}`, /of another type/],
  [`admin:${exampleKey} google-ssh`, /expireOn/],
  [`admin:${exampleKey} google-ssh {"expireOn":"soon"}`, /expireOn/],
]

describe('findSshKeyProblems', () => {
  it.each(good)('takes %j', (line) => {
    expect(findSshKeyProblems(line)).toEqual([])
  })

  it.each(bad)('refuses %j', (line, trouble) => {
    expect(findSshKeyProblems(line)).toEqual([{ line: 1, trouble: expect.stringMatching(trouble) as string }])
  })

  it('counts lines as the writer sees them', () => {
    const value = `${good[0]}\n\n# comment\nbroken\n${good[1]}\nalso:broken\n`
    expect(findSshKeyProblems(value).map(({ line }) => line)).toEqual([4, 6])
  })
})
