import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { packageDefinitions } from '../../systemd/packages/definitions.ts'
import { repositoryRoot } from '../support/imports.ts'
import { parseUnitFile } from './unit-file.ts'

const folder = join(repositoryRoot, 'systemd')
const read = (name: string) => parseUnitFile(readFileSync(join(folder, name), 'utf8'))
const units = readdirSync(folder).filter((name) => /\.(service|socket|slice)$/.test(name))
const services = units.filter((name) => name.endsWith('.service'))

/** What systemd can take from a service. */
const restrictions = [
  ...[
    'CapabilityBoundingSet',
    'DeviceAllow',
    'DevicePolicy',
    'DynamicUser',
    'IPAddressDeny',
    'LockPersonality',
  ],
  ...[
    'MemoryDenyWriteExecute',
    'NoNewPrivileges',
    'PrivateDevices',
    'PrivateIPC',
    'PrivateNetwork',
    'PrivateTmp',
  ],
  ...['PrivateUsers', 'ProcSubset', 'ProtectClock', 'ProtectControlGroups', 'ProtectHome', 'ProtectHostname'],
  ...['ProtectKernelLogs', 'ProtectKernelModules', 'ProtectKernelTunables', 'ProtectProc', 'ProtectSystem'],
  ...['RemoveIPC', 'RestrictAddressFamilies', 'RestrictNamespaces', 'RestrictRealtime', 'RestrictSUIDSGID'],
  ...['SystemCallArchitectures', 'SystemCallFilter', 'UMask', 'User'],
]

describe('units', () => {
  it.each(units)('%s can be read, and is in a package', (name) => {
    const { sections } = read(name)
    expect(sections.get('Unit')?.get('Description')).toHaveLength(1)
    const paths = packageDefinitions.flatMap(({ files }) => Object.keys(files))
    expect(paths).toContain(`/lib/systemd/system/${name}`)
  })

  it.each(services)('%s takes each restriction, or says why not', (name) => {
    const { sections, comments } = read(name)
    const service = sections.get('Service')
    const unsaid = restrictions.filter(
      (key) => service?.has(key) !== true && !new RegExp(`\\b${key}=`).test(comments),
    )
    expect(unsaid).toEqual([])
  })

  it.each(services)('%s starts what its package installs, and is watched', (name) => {
    const service = read(name).sections.get('Service')
    const [command = ''] = service?.get('ExecStart') ?? []
    const programs = packageDefinitions.map((definition) => definition.programs)
    const [node = '', main = ''] = command.split(' ').filter((word) => word.startsWith('/usr/'))
    expect(programs.map((path) => [`${path}/node`, `${path}/main.js`])).toContainEqual([node, main])
    expect(service?.get('Type')).toEqual(['notify'])
    expect(service?.get('WatchdogSec')).toEqual(['30'])
  })

  it('gives the agent no mounts of its own, which would hide its network namespaces from the next', () => {
    const service = read('berth-agent.service').sections.get('Service')
    const mounts =
      /^(Protect(System|Home|KernelTunables|KernelModules|KernelLogs|ControlGroups|Proc)|ProcSubset|Private(Tmp|Devices|IPC|Users|Mounts|Network)|ReadWritePaths|ReadOnlyPaths|InaccessiblePaths|TemporaryFileSystem|BindPaths|BindReadOnlyPaths|MountFlags|RootDirectory|DynamicUser)$/
    expect([...(service?.keys() ?? [])].filter((key) => mounts.test(key))).toEqual([])
    expect(service?.get('KillMode')).toEqual(['process'])
  })
})
