// The command line against the real API: what a user types, and what comes of it.
import { spawnSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { instancesPath, type Region, startRegion } from '../scheduler/api/region.ts'
import { runBerth } from './berth.ts'

const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small'
let region: Region
let env: Record<string, string>
beforeAll(async () => {
  region = await startRegion({ hosts: 2 })
  env = {
    ...{ BERTH_SERVER: region.url, BERTH_REGION: 'us-texas-1', BERTH_PROJECT: 'project-x9y8z7' },
    BERTH_TOKEN: await region.issuer.tokenFor('operator', 'project-x9y8z7:editor'),
  }
  for (const [id, team] of [
    ['web-1', 'front'],
    ['db-1', 'data'],
  ]) {
    await region.call('POST', instancesPath, { body: { type, id, labels: { team } } })
  }
})
afterAll(() => region.close())

const berth = (...args: string[]) => runBerth(args, env)

describe('berth', () => {
  it('lists what a filter finds, in the order asked', async () => {
    expect((await berth('instances', 'ls', '--filter', 'labels.team:data', '-o', 'name')).stdout).toBe(
      'db-1\n',
    )
    expect((await berth('instances', 'ls', '--order-by', 'id desc', '-o', 'name')).stdout).toBe(
      'web-1\ndb-1\n',
    )
    const wrong = await berth('instances', 'ls', '--filter', 'color=red')
    expect([wrong.exitCode, wrong.stderr]).toEqual([2, expect.stringContaining('no field "color"')])
  })

  it('does what it can of several, and says at the end what it could not', async () => {
    for (const id of ['old-1', 'old-2']) await region.call('POST', instancesPath, { body: { type, id } })
    const { exitCode, stdout, stderr } = await berth('instances', 'delete', 'old-1', 'gone', 'old-2', 'lost')
    expect([exitCode, stdout]).toEqual([4, 'Deleting old-1\nDeleting old-2\n'])
    expect(stderr).toMatch(/2 of 4 could not be done:\n.*gone does not exist.*\n.*lost does not exist/)
    const hosts = await berth('hosts', 'uncordon', 'nowhere', 'host-1')
    expect([hosts.exitCode, hosts.stdout]).toEqual([4, 'host-1 is ready\n'])
    for (const id of ['old-1', 'old-2']) await region.remove(id)
  })

  it('draws a plan, and ends with 5 where it does not fit', async () => {
    const fits = await berth('instances', 'plan', '--type', 'g1-xlarge', '--zone', 'us1-a')
    expect([fits.exitCode, fits.stdout]).toEqual([0, expect.stringMatching(/^FITS: it fits now\./)])
    const gpus = ['--gpu', 'nvidia-h100-80gb:8']
    const never = await berth('instances', 'plan', '--type', 'g1-xlarge', ...gpus)
    expect(never.exitCode).toBe(5)
    expect(never.stdout).toContain('- gpu-count    #################### 2 hosts ruled out')
    expect(never.stdout).toContain('With 2 of nvidia-h100-80gb  (gpus: 2)')
  })

  it('draws a plan of several, with who is in the way', async () => {
    const several = ['instances', 'plan', 'w', '--type', 'g1-xlarge', '--gpu', 'nvidia-h100-80gb', '--count']
    const fits = await berth(...several, '2')
    expect([fits.exitCode, fits.stdout]).toEqual([0, expect.stringMatching(/^FITS: All of them fit now\./)])
    const never = await berth(...several, '5')
    expect(never.exitCode).toBe(5)
    expect(never.stdout).toMatch(/^w-4 +FITS/m)
    expect(never.stdout).toMatch(/^w-5 +NOT_NOW/m)
    expect(never.stdout).toContain('- gpu-count    #################### 2 hosts ruled out')
    expect((await berth('instances', 'list', '-o', 'name')).stdout).not.toContain('w-1')
  })

  it('changes metadata and labels, and keeps what is not named', async () => {
    await berth('instances', 'update', 'web-1', '--metadata', 'motto=onwards', '--label', 'tier=web')
    const second = await berth(
      ...[
        'instances',
        'update',
        'web-1',
        '--metadata',
        'colour=blue',
        '--remove-label',
        'tier',
        '-o',
        'json',
      ],
    )
    expect(JSON.parse(second.stdout)).toMatchObject({
      labels: { team: 'front' },
      instanceMetadata: [
        { key: 'motto', value: 'onwards' },
        { key: 'colour', value: 'blue' },
      ],
    })
    expect((await berth('instances', 'update', 'web-1')).exitCode).toBe(2)
  })

  it('sends verbs, and shows the operations that they were', async () => {
    const stopped = await berth('instances', 'stop', 'db-1', '--force', '--no-wait', '-o', 'json')
    expect(JSON.parse(stopped.stdout)).toMatchObject({ lifecycle: { status: 'STOPPING' } })
    const early = await berth('instances', 'reset', 'db-1')
    expect([early.exitCode, early.stderr]).toEqual([5, expect.stringContaining('only a RUNNING one')])
    expect((await berth('operations', 'list')).stdout).toMatch(/instances\.stop +db-1 +RUNNING/)
  })

  it('shows what the region has', async () => {
    expect((await berth('types', 'list')).stdout).toMatch(/g1-xlarge +us1-a +4 +8192/)
    expect((await berth('hosts', 'list')).stdout).toMatch(/host-1 +us1-a +ready/)
    expect((await berth('images', 'get', 'nothing')).exitCode).toBe(4)
  })

  it('cordons hosts, and gives none up by mistake', async () => {
    expect((await berth('hosts', 'cordon', 'host-2')).stdout).toBe('host-2 is cordoned\n')
    expect((await berth('hosts', 'uncordon', 'host-2')).stdout).toBe('host-2 is ready\n')
    expect((await berth('hosts', 'update', 'host-2', '--label', 'rack=r1')).stdout).toBe('host-2: rack=r1\n')
    expect((await berth('hosts', 'update', 'host-2')).exitCode).toBe(2)
    const fence = await berth('hosts', 'fence', 'host-2', '--confirm', 'host-1')
    expect([fence.exitCode, fence.stderr]).toEqual([2, expect.stringContaining('make sure that it is off')])
  })

  it('completes commands and flags in bash', async () => {
    const { stdout } = await berth('completion', 'bash')
    const complete = (...words: string[]) => {
      const script = `${stdout}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _berth; echo "\${COMPREPLY[*]}"`
      return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim()
    }
    expect(complete('berth', 'instances', 'cre')).toBe('create')
    expect(complete('berth', 'instances', 'create', '--ssh')).toBe('--ssh-key')
    expect(complete('berth', 'instances', 'create', '--type', 'x', '--gp')).toBe('--gpu --gpu-topology')
    expect((await berth('completion', 'dos')).exitCode).toBe(2)
  })
})
