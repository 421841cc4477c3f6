// `berth capacity` against the real API.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Region, startRegion } from '../scheduler/api/region.ts'
import { runBerth } from './berth.ts'

let region: Region
let env: Record<string, string>
beforeAll(async () => {
  region = await startRegion({ hosts: 2 })
  env = {
    ...{ BERTH_SERVER: region.url, BERTH_REGION: 'us-texas-1', BERTH_PROJECT: 'project-x9y8z7' },
    BERTH_TOKEN: await region.issuer.tokenFor('operator'),
  }
})
afterAll(() => region.close())

it('shows a line for each zone and type of GPU', async () => {
  const { stdout } = await runBerth(['capacity'], env)
  expect(stdout).toMatch(/^ZONE +GPU +HOSTS +GPUS +TAKEN +FREE +KEPT +OUT +STRANDED +LARGEST +FIT 2 +FIT 1$/m)
  expect(stdout).toMatch(/^us1-a +nvidia-h100-80gb +2 +4 +0 +4 +0 +0 +0 +2 +2 +4$/m)
  const json = await runBerth(['capacity', '-o', 'json'], env)
  expect(JSON.parse(json.stdout)[0]).toMatchObject({ largestPlaceable: 2 })
})

it('is for operators', async () => {
  const token = await region.issuer.tokenFor('project-x9y8z7:editor')
  const { exitCode, stderr } = await runBerth(['capacity'], { ...env, BERTH_TOKEN: token })
  expect([exitCode, stderr]).toEqual([expect.any(Number), expect.stringContaining('role operator')])
  expect(exitCode).not.toBe(0)
})

it('says what to move, and why an instance is where it is', async () => {
  const fits = await runBerth(['capacity', 'advise', '--gpu', 'nvidia-h100-80gb:2', '--zone', 'us1-a'], env)
  expect(fits.stdout).toMatch(/^It fits as things are, on host-[12]\.$/m)
  const never = await runBerth(['capacity', 'advise', '--gpu', 'nvidia-h100-80gb:8', '--zone', 'us1-a'], env)
  expect([never.exitCode, never.stdout]).toEqual([
    5,
    expect.stringContaining('Nothing helps: too few GPUs are free'),
  ])
  const token = await region.issuer.tokenFor('project-x9y8z7:editor')
  const created = await runBerth(
    [
      'instances',
      'create',
      'web',
      '--type',
      'g1-small',
      '--zone',
      'us1-a',
      '--gpu',
      'nvidia-h100-80gb',
      '--no-wait',
    ],
    { ...env, BERTH_TOKEN: token },
  )
  expect([created.exitCode, created.stderr]).toEqual([0, ''])
  const { stdout } = await runBerth(['instances', 'explain', 'web'], env)
  expect(stdout).toMatch(/^host +host-[12]$/m)
  expect(stdout).toMatch(/^device +0000:\d\d:00\.0 +nvidia-h100-80gb$/m)
  expect(stdout).toMatch(/^asked +1 vCPU, .* 1 x nvidia-h100-80gb in us1-a$/m)
})
