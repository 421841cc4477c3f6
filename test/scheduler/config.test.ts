import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../lib/config.ts'
import { findCatalogueProblems } from '../../scheduler/admission/catalogue-problems.ts'
import { findSettingProblems, Settings } from '../../scheduler/config.ts'
import { settingsFile } from './admission/context.ts'

const example = readFileSync(settingsFile, 'utf8')

/** Every sentence about the example with one thing changed in it. */
function problemsWith(written: string | RegExp, instead: string): readonly string[] {
  const text = example.replace(written, instead)
  expect(text).not.toBe(example)
  const settings = parseConfig(Settings, text, 'test.yaml')
  return [...findSettingProblems(settings), ...findCatalogueProblems(settings)]
}

describe('settings', () => {
  it('fills in defaults of the example', () => {
    const settings = parseConfig(Settings, example, 'test.yaml')
    expect(settings.zones[1]).toMatchObject({ cpuOvercommit: 1, acceleratorTypes: [] })
    expect(settings.projects[0]?.networks[0]).toMatchObject({ vlan: 0, mtu: 1500 })
    expect(settings.auth.algorithms).toContain('EdDSA')
    expect(settings.hostnameTemplate).toBe('[INSTANCE_NAME].[ZONE].c.[PROJECT_ID].internal')
  })

  it.each([
    ['id: us1-b', 'id: us1-a', /zone us1-a is declared more than once/],
    ['id: c1-blank', 'id: g1-small', /instance type g1-small is declared more than once/],
    ['gpus: { type: nvidia-h100-80gb', 'gpus: { type: nvidia-h200', /names the accelerator type nvidia-h200/],
    ['defaultImage: ubuntu-24.04-20260202-3', 'defaultImage: debian', /names the default image debian/],
    ['10.30.0.0/28', '10.30.0.1/28', /has host bits set/],
    ['10.30.0.0/28', '10.30.0.0/30', /\/8 to \/29/],
    ['10.30.0.0/28', '10.30.0/28', /write it as in/],
    ['- id: default', '- id: other', /no network named default/],
    ['000000000002', '000000000001', /network uid .* is declared more than once/],
    ['url: file:///var', 'url: ftp://var', /write file:/],
    ['10de:2331', '10de:2330', /PCI id 10de:2330 is declared more than once/],
    [/ {2}jwksUri.*\n/, '  jwksUri: http://a/\n  jwks: { keys: [{ kty: OKP }] }\n', /both jwksUri and jwks/],
    [
      /issuer: .*\n {2}audience: berth\n {2}jwksUri.*\n/,
      'issuer: me\n  audience: berth\n',
      /no address to ask/,
    ],
    ['000000000001\n', '000000000001\n        vlan: 123\n', /network-g7h8i9 of .* both have VLAN 123/],
    ['region: us-texas-1', 'region: us-texas-1\nvlanPool: { first: 9, last: 8 }', /the lower one first/],
    [/ {2}token: .*\n/, '', /either token or tokenFile/],
    [/agents:\n {2}host: 127.0.0.1/, 'agents:\n  host: 0.0.0.0', /not a loopback address/],
  ])('says what is wrong with %s → %s', (written, instead, sentence) => {
    expect(problemsWith(written, instead)).toEqual([expect.stringMatching(sentence)])
  })

  it.each([
    [/sha256: .*/, 'sha256: ABC'],
    ['region: us-texas-1', 'region: us-texas-1\nregoin: x'],
    ['issuer: http://127.0.0.1:8082', 'algorithms: [HS256]\n  issuer: x'],
  ])('refuses the shape of %s → %s', (written, instead) => {
    expect(() => parseConfig(Settings, example.replace(written, instead), 'test.yaml')).toThrow('test.yaml')
  })
})
