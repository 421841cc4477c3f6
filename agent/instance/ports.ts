import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Devices } from '../device/devices.ts'
import type { DiskDriver } from '../drivers/disk/port.ts'
import type { HypervisorDriver } from '../drivers/hypervisor/port.ts'
import type { MetadataDriver } from '../drivers/metadata/port.ts'
import type { NetworkDriver } from '../drivers/network/port.ts'
import type { Files, Processes, Sysfs } from '../host/ports.ts'
import type { Journal } from '../journal/journal.ts'
import type { AgentDirectories } from '../plan/paths.ts'
import type { Firewalls } from './firewalls.ts'
import type { HardwareUse } from './hardware-use.ts'
import type { Members } from './members.ts'
import type { NetworkUse } from './network-use.ts'

/** What this host starts guests with. */
export interface GuestMachine {
  /** qemu-system-x86_64 */
  readonly program: string
  /** Versioned, such as pc-q35-7.2. */
  readonly machineType: string
  readonly accelerator: 'kvm' | 'tcg'
  /** A sentence that is published with a running guest where emulation makes it slow; '' where not. */
  readonly slownessWarning: string
}

/** Everything that the actor of an instance acts through. */
export interface InstancePorts {
  readonly network: NetworkDriver
  readonly networkUse: NetworkUse
  readonly firewalls: Firewalls
  readonly members: Members
  readonly metadata: MetadataDriver
  readonly disk: DiskDriver
  readonly hypervisor: HypervisorDriver
  readonly devices: Devices
  readonly journal: Journal
  readonly files: Files
  readonly sysfs: Sysfs
  readonly processes: Processes
  readonly clock: Clock
  readonly log: Logger
  readonly directories: AgentDirectories
  readonly machine: GuestMachine
  /** Absent where nothing is read of the host's NUMA cells and devices: guests are as if it had none. */
  readonly hardwareUse?: HardwareUse
}
