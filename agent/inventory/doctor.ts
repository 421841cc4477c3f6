// Owns what an operator is told to put right on a host. In: what the agent sees of it, and what it would need. Out: troubles,
// each with what ends it; those that the agent reports itself come first. It changes nothing on the host.
import type { HostFacts, HostWarning } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import { findDeviceTroubles } from './device-troubles.ts'
import { findFabricTroubles } from './fabric.ts'
import { type HostFactsOptions, readHostFacts } from './host-facts.ts'
import { findLibvirtTroubles } from './libvirt-troubles.ts'
import { findProgramTroubles } from './program-troubles.ts'
import { findSystemTroubles } from './system-troubles.ts'

export interface Diagnosis {
  readonly facts: HostFacts
  readonly troubles: readonly HostWarning[]
}

export async function diagnoseHost(options: HostFactsOptions): Promise<Diagnosis> {
  const facts = await readHostFacts(options)
  const { hypervisor } = options.settings
  const [programs, libvirt, system] = await Promise.all([
    findProgramTroubles(options.exec),
    hypervisor === 'libvirt' ? findLibvirtTroubles(options) : [],
    findSystemTroubles({ ...options, facts }),
  ])
  const devices = findDeviceTroubles(facts, options.settings.accelerators)
  const fabric = findFabricTroubles(facts, options.settings)
  return { facts, troubles: [...facts.warnings, ...devices, ...fabric, ...programs, ...libvirt, ...system] }
}
