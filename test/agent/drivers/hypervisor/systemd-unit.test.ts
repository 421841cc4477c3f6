import { describe, expect, it } from 'vitest'
import { renderSystemdRun } from '../../../../agent/drivers/hypervisor/systemd-unit.ts'
import { expectGolden } from '../../../support/golden.ts'

const plan = {
  instanceUid: '0192f0c1-2345-7abc-8def-0123456789ab',
  program: 'qemu-system-x86_64',
  args: ['-m', '4096M', '-device', 'vfio-pci,id=gpu0,host=0000:3b:00.0,bus=port-gpu0'],
  runAs: { uid: 200_001, gid: 200_001, supplementaryGids: [500, 501] },
  memlockMib: 8,
  pidFilePath: '/run/berth/guests/u/qemu.pid',
  logPath: '/run/berth/guests/u/qemu.log',
  startTimeoutMs: 60_000,
}

describe('the unit of a guest', () => {
  it('is the one that is written down', () => {
    expectGolden('systemd-run-guest.txt', `${renderSystemdRun(plan).join('\n')}\n`)
  })

  it('says nothing of groups that there are none of', () => {
    const args = renderSystemdRun({ ...plan, runAs: { ...plan.runAs, supplementaryGids: [] } })
    expect(args.join(' ')).toContain('--clear-groups')
    expect(args).not.toContain('--groups')
  })
})
