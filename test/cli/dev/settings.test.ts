import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { bridgeName, namespaceName } from '../../../agent/plan/names.ts'
import { simulatedImage } from '../../../cli/dev/catalogue.ts'
import { dataDirectory } from '../../../cli/dev/data-directory.ts'
import { bridgeOf, namespaceOf } from '../../../cli/dev/host-names.ts'
import { makeSchedulerSettings } from '../../../cli/dev/settings.ts'
import { readSettings } from '../../../scheduler/config.ts'

const networkUid = '0197a000-0000-7000-8000-00000000abcd'

describe('the settings of a region on this machine', () => {
  it('are those of the scheduler', () => {
    const folder = mkdtempSync(join(tmpdir(), 'berth-settings-'))
    const settings = makeSchedulerSettings(
      {
        directory: dataDirectory(folder),
        identity: { networkUid, agentToken: 'x'.repeat(32), agentsPort: 7701, issuerPort: 7702 },
        httpPort: 7700,
      },
      [simulatedImage],
    )
    writeFileSync(join(folder, 'scheduler.yaml'), stringify(settings))
    const read = readSettings(join(folder, 'scheduler.yaml'))
    rmSync(folder, { recursive: true })
    expect(read.zones[0]?.instanceTypes.map(({ defaultImage }) => defaultImage)).toContain('debian-12')
    expect(read.auth.jwksUri).toBe('http://127.0.0.1:7702/jwks.json')
  })

  it('name a network as its host does', () => {
    expect(namespaceOf(networkUid)).toBe(namespaceName(networkUid))
    expect(bridgeOf(networkUid)).toBe(bridgeName(networkUid))
  })
})

describe('the data directory', () => {
  it.each(['/var/lib/berth-dev', `/home/somebody/${'deep/'.repeat(20)}here`])(
    '%s has room for sockets',
    (path) => {
      const socket = `${dataDirectory(path).agentRun}/guests/${networkUid}/serial.sock`
      expect(socket.length).toBeLessThanOrEqual(107)
    },
  )
})
