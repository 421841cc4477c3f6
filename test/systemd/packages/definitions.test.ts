import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AgentSettings, findSettingProblems } from '../../../agent/config.ts'
import { readConfigFile } from '../../../lib/config.ts'
import { readSettings } from '../../../scheduler/config.ts'
import { renderControl } from '../../../systemd/packages/control.ts'
import { type PackageDefinition, packageDefinitions } from '../../../systemd/packages/definitions.ts'
import { expectGolden } from '../../support/golden.ts'
import { repositoryRoot } from '../../support/imports.ts'

const sourcesOf = ({ files, executables, settings, manual }: PackageDefinition) => ({
  ...{ ...files, ...executables },
  ...{ ...settings, ...manual },
})

describe('packages', () => {
  it.each(packageDefinitions)('$name is the one that is written down', (definition) => {
    const control = renderControl(definition, { version: '1.2.3', sizeKib: 1 })
    const files = Object.entries(sourcesOf(definition)).map(([path, source]) => `${path} < ${source}\n`)
    expectGolden(`package-${definition.name}.txt`, `${control}\n${files.sort().join('')}`)
  })

  it.each(packageDefinitions)('$name has its files', (definition) => {
    const missing = Object.values(sourcesOf(definition)).filter(
      (source) => !existsSync(join(repositoryRoot, source)),
    )
    expect(missing).toEqual([])
  })

  it.each(packageDefinitions.filter(({ scripts }) => scripts !== undefined))(
    '$name enables and starts nothing that did not run',
    ({ scripts = '' }) => {
      for (const script of ['postinst', 'prerm', 'postrm']) {
        const path = join(repositoryRoot, scripts, script)
        expect(statSync(path).isFile()).toBe(true)
        // What is said to a person is not done.
        const text = readFileSync(path, 'utf8').replaceAll(/^\s*echo .*$/gm, '')
        expect(text).not.toMatch(/systemctl (start|enable|restart)/)
        expect(text).toContain('set -e')
      }
    },
  )

  it('explains settings that can be taken as they are', () => {
    const agent = readConfigFile(
      AgentSettings,
      join(repositoryRoot, 'systemd/packages/berth-agent/agent.yaml.example'),
    )
    expect(findSettingProblems(agent)).toEqual([])
    const scheduler = readSettings(
      join(repositoryRoot, 'systemd/packages/berth-scheduler/scheduler.yaml.example'),
    )
    expect(scheduler.store.path).toBe('/var/lib/berth-scheduler/scheduler.sqlite')
    expect(scheduler.agents.tokenFile).toBe(agent.scheduler.tokenFile)
  })
})
