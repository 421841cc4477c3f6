import { expect, it } from 'vitest'
import { createUnitScrubs, renderScrubUnit } from '../../../../agent/drivers/passthrough/scrub-units.ts'
import { FakeExec } from '../../../../agent/host/fake/fake-exec.ts'
import { pciAddress } from '../../../../proto/ids.ts'
import { expectGolden } from '../../../support/golden.ts'
import { createEagerClock } from '../../instance/eager-clock.ts'

const gpu = pciAddress('0000:3b:00.0')
const program = '/usr/local/sbin/scrub'

it('the unit of what empties a device is the one that is written down', () => {
  expectGolden('systemd-run-device-scrub.txt', `${renderScrubUnit(gpu, 0, program).join('\n')}\n`)
})

it('of a program that nobody can end its agent gives up, and begins no second one', async () => {
  const exec = new FakeExec({
    systemctl: () => ({
      stdout: 'LoadState=loaded\nActiveState=deactivating\nSubState=stop-sigterm\nDescription=Removal\n',
    }),
  })
  const scrubs = createUnitScrubs({ exec, clock: createEagerClock(), program })
  await expect(scrubs.scrub(gpu, 0)).rejects.toThrow(`berth-device-scrub@${gpu}.service can't be ended`)
})
