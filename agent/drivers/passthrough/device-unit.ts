import type { PciAddress } from '../../../proto/ids.ts'
import type { ExecError } from '../../host/ports.ts'

/** Of something that is done to one device: the name is the device's, so that it isn't done twice at once. */
export const deviceUnitName = (prefix: string, address: PciAddress) => `${prefix}@${address}.service`

/** Of a transient unit whose process the kernel may keep for good, for systemd-run. */
export function deviceUnitProperties(maxS: number): readonly string[] {
  const properties = [
    `RuntimeMaxSec=${maxS}`,
    'KillSignal=SIGKILL',
    // The unit is there for as long as its process is.
    'TimeoutStopSec=infinity',
    // The host's shutdown waits neither for it nor for its slice.
    'DefaultDependencies=no',
    'Slice=system.slice',
  ]
  return properties.flatMap((property) => ['-p', property])
}

/** Also for the moment in which systemd has not forgotten yet one that has ended. */
export const isUnitTaken = ({ stderr }: ExecError) =>
  /^Failed to start transient service unit: .* already loaded/m.test(stderr)
