import { describe, expect, it } from 'vitest'
import { createFabricManager } from '../../../../agent/drivers/fabric/fmpm.ts'
import { FakeExec, type FakeProgram } from '../../../../agent/host/fake/fake-exec.ts'
import { boardOf, FakeFabric } from '../../../../agent/host/fake/fake-fabric.ts'
import { fmpmProgram, nvidiaSmiProgram } from '../../../../agent/host/fake/program-fmpm.ts'
import { gpuAddresses } from '../../plan/hgx-host.ts'

const program = '/usr/bin/fmpm'

function managerOf(programs: Readonly<Record<string, FakeProgram>>, more: object = {}) {
  const exec = new FakeExec(programs)
  return { exec, manager: createFabricManager({ exec, settings: { program, ...more } }) }
}

const onBoard = (options: Partial<FakeFabric['options']> = {}) => {
  const fabric = new FakeFabric({ ...boardOf(gpuAddresses), ...options })
  const has = () => true
  const programs = { [program]: fmpmProgram(fabric), 'nvidia-smi': nvidiaSmiProgram(fabric, has) }
  return { fabric, ...managerOf(programs) }
}

const answering = (answer: { code?: number; stdout?: string }) =>
  managerOf({ [program]: () => answer }).manager

describe('partitions', () => {
  it('are listed by modules, and by addresses where Fabric Manager tells them', async () => {
    const later = await onBoard().manager.listPartitions()
    expect(later).toHaveLength(15)
    expect(later[3]).toEqual({ id: 3, isActive: false, gpus: [{ moduleId: 1 }, { moduleId: 3 }] })
    const earlier = await onBoard({ tellsAddresses: true }).manager.listPartitions()
    expect(earlier[3]?.gpus).toEqual([
      { moduleId: 1, address: '0000:5b:00.0' },
      { moduleId: 3, address: '0000:6b:00.0' },
    ])
  })

  it('are activated and deactivated once', async () => {
    const { manager, fabric } = onBoard()
    await manager.activate(3)
    expect((await manager.listPartitions()).filter(({ isActive }) => isActive)).toMatchObject([{ id: 3 }])
    await expect(manager.activate(3)).rejects.toMatchObject({ reason: 'PARTITION_IN_USE' })
    await expect(manager.activate(1)).rejects.toMatchObject({
      reason: 'PARTITION_IN_USE',
      message:
        'Fabric Manager did not activate partition 1: the partition is active, or one that shares GPUs with it.',
    })
    await manager.deactivate(3)
    await expect(manager.deactivate(3)).rejects.toMatchObject({ reason: 'PARTITION_NOT_ACTIVE' })
    await expect(manager.activate(15)).rejects.toMatchObject({ reason: 'PARTITION_UNKNOWN' })
    expect(fabric.routed()).toEqual([])
  })

  it('are named to a Fabric Manager that was restarted, each once', async () => {
    const { manager, fabric } = onBoard()
    await manager.activate(3)
    fabric.stop()
    await expect(manager.listPartitions()).rejects.toMatchObject({
      reason: 'FABRIC_UNREACHABLE',
      message: 'Fabric Manager did not list its partitions: it does not run: start nvidia-fabricmanager.',
    })
    fabric.start()
    await expect(manager.activate(6)).rejects.toMatchObject({ reason: 'FABRIC_NOT_READY' })
    await manager.setActive([3, 3])
    expect(fabric.active()).toEqual([3])
    await manager.activate(6)
  })

  it('are asked for where Fabric Manager listens', async () => {
    const args = (await answeringOn({ socket: '/run/nvidia-fabricmanager/socket' }))[0]
    expect(args).toEqual(['--unix-domain-socket', '/run/nvidia-fabricmanager/socket', '-l'])
    expect((await answeringOn({ address: '10.0.0.5' }))[0]).toEqual(['--hostname', '10.0.0.5', '-l'])
  })

  async function answeringOn(more: object) {
    const { exec, manager } = managerOf({ [program]: () => ({ stdout: '{"partitionInfo": []}' }) }, more)
    await manager.listPartitions()
    return exec.history.map(({ args }) => args)
  }
})

describe('a tool that does not do its work', () => {
  it.each([
    ['is not there', managerOf({}).manager, /fmpm is not installed.*fabricManager\.program/],
    [
      'lists something else',
      answering({ stdout: 'Partitions: 15' }),
      /What fmpm lists is not as it should be/,
    ],
    [
      'lists partitions without GPUs',
      answering({ stdout: '{"partitionInfo":[{"partitionId":1,"isActive":0,"gpuInfo":[]}]}' }),
      /What fmpm lists/,
    ],
    ['runs against bare metal mode', answering({ code: 253 }), /set FABRIC_MODE=1/],
    ['ends otherwise', answering({ code: 134 }), /exited with 134/],
  ])('%s', async (_what, manager, sentence) => {
    await expect(manager.listPartitions()).rejects.toThrow(sentence)
    await expect(manager.listPartitions()).rejects.toMatchObject({ name: 'FabricError' })
  })

  it('hangs', async () => {
    const { exec, manager } = onBoard()
    exec.failNext({ file: program, argsInclude: '-a 3', result: 'hang' })
    await expect(manager.activate(3)).rejects.toMatchObject({
      reason: 'FABRIC_UNREACHABLE',
      message: expect.stringContaining('gave no answer in 60000 ms'),
    })
  })
})

describe('modules', () => {
  it('are what the driver says, which is not the order of addresses', async () => {
    const found = await onBoard().manager.readModuleIds()
    expect([...found].slice(0, 3)).toEqual([
      [5, '0000:1b:00.0'],
      [7, '0000:2b:00.0'],
      [6, '0000:3b:00.0'],
    ])
  })

  it('are read from drivers of any age, and of GPUs that are on no board not at all', async () => {
    const stdout = [
      'Attached GPUs                             : 2',
      'GPU 00000000:1B:00.0',
      '    Product Name                          : NVIDIA A100-SXM4-80GB',
      '    Module ID                             : 4',
      'GPU 00000001:81:00.0',
      '    Product Name                          : NVIDIA L4',
      '    Module ID                             : N/A',
    ].join('\n')
    const { manager } = managerOf({ 'nvidia-smi': () => ({ stdout }) })
    expect([...(await manager.readModuleIds())]).toEqual([[4, '0000:1b:00.0']])
  })

  it('are unknown where there is no driver, or it has no GPU', async () => {
    expect((await managerOf({}).manager.readModuleIds()).size).toBe(0)
    const none = { 'nvidia-smi': () => ({ code: 6, stdout: 'No devices were found\n' }) }
    expect((await managerOf(none).manager.readModuleIds()).size).toBe(0)
  })
})
