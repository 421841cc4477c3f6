import { hostId, zoneId } from '../../../proto/ids.ts'
import type { RegisterHost } from '../../../scheduler/store/host-store.ts'

/** A host that has registered and is not heard. */
export const registration: RegisterHost = {
  ...{ hostId: hostId('host-1'), zone: zoneId('us1-a'), journalUuid: 'journal-1', bootId: 'boot-1' },
  lastCommandSequence: 0,
  ...{ agentVersion: '0.1.0', facts: new Uint8Array(), architecture: 'x86_64' },
  ...{ vcpus: 16, memoryMib: 65_536, diskGb: 1000, devices: [], nowMs: 1_700_000_000_000 },
}
