import { expect, it } from 'vitest'
import { parseSshKeys } from '../../../agent/plan/ssh-keys.ts'

const nowMs = Date.parse('2026-06-01T00:00:00Z')
const keysOf = (value: string) => parseSshKeys(value, nowMs)
const expiring = (expireOn: string) => `google-ssh {"userName":"x","expireOn":"${expireOn}"}`

it('gathers keys by user, in the order of their lines', () => {
  expect(keysOf('admin:ssh-ed25519 AAA a\nguest:ssh-rsa BBB\nadmin:ssh-rsa CCC')).toEqual([
    { user: 'admin', keys: ['ssh-ed25519 AAA a', 'ssh-rsa CCC'] },
    { user: 'guest', keys: ['ssh-rsa BBB'] },
  ])
})

it.each([
  '',
  '\n\n',
  'no colon',
  ':ssh-rsa AAA',
  'admin:',
  'Admin:ssh-rsa AAA',
  'a b:ssh-rsa AAA',
  '../x:ssh-rsa AAA',
])('leaves out %j', (value) => {
  expect(keysOf(value)).toEqual([])
})

it('splits at the first colon', () => {
  expect(keysOf('admin:command="a:b" ssh-rsa AAA')).toEqual([
    { user: 'admin', keys: ['command="a:b" ssh-rsa AAA'] },
  ])
})

it.each([
  ['2026-05-31T23:59:59+0000', 0],
  ['2026-05-31T23:59:59Z', 0],
  ['2026-06-01T01:00:00+02:00', 0],
  ['2026-06-01T01:00:00+0200', 0],
  ['2026-06-01T00:00:01+0000', 1],
  ['not a date', 1],
])('knows whether a key that ends at %s has ended', (expireOn, count) => {
  expect(keysOf(`admin:ssh-rsa AAA ${expiring(expireOn)}`)).toHaveLength(count)
})

it('keeps a key whose comment only looks like an end', () => {
  expect(keysOf('admin:ssh-rsa AAA google-ssh\nadmin:ssh-rsa BBB google-ssh {half')).toEqual([
    { user: 'admin', keys: ['ssh-rsa AAA google-ssh', 'ssh-rsa BBB google-ssh {half'] },
  ])
})
