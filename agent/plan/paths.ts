// Where things lie under the two directories of an agent. State survives a reboot, run does not.

export interface AgentDirectories {
  /** /var/lib/berth */
  readonly state: string
  /** /run/berth */
  readonly run: string
}

export interface InstancePaths {
  /** Traversable by the guest's user, listable by none but root. */
  readonly directory: string
  /** The journal's record. */
  readonly record: string
  readonly disk: (disk: { readonly deviceName: string; readonly volumeUid: string }) => string
  /** Where the image wants one: what cloud-init reads. */
  readonly seedDisk: string
  /** What UEFI remembers between boots: which of the disk's boot loaders it starts, for one. */
  readonly firmwareVariables: string
  /** Of a suspended guest. */
  readonly memory: string
  /** Socket and pid file: the guest's user writes here. */
  readonly runDirectory: string
  readonly qmpSocket: string
  readonly pidFile: string
  /** Root's, and open to the guest's group: QEMU comes to a socket in it while its guest has a console. */
  readonly consoleDirectory: string
  readonly consoleSocket: string
  readonly qemuLog: string
  /** Where libvirt runs the guest: its domain as it was started last, and a device on its way to it. */
  readonly domain: string
  readonly domainDevice: string
  /** Also there: what it writes to its serial port, of which libvirt keeps the end. */
  readonly serialStream: string
  /** How much of that is recorded. */
  readonly serialPosition: string
  /** A directory with the last megabyte of serial output. */
  readonly serialLog: string
  /** What the guest has put, written in turn by the metadata worker. */
  readonly attributeSlots: readonly [string, string]
}

export function instancePaths(directories: AgentDirectories, instanceUid: string): InstancePaths {
  const directory = `${directories.state}/instances/${instanceUid}`
  const runDirectory = `${directories.run}/guests/${instanceUid}`
  const consoleDirectory = `${directories.run}/consoles/${instanceUid}`
  return {
    directory,
    record: `${directory}/record.pb`,
    disk: ({ deviceName, volumeUid }) =>
      volumeUid === '' ? `${directory}/${deviceName}.qcow2` : volumePaths(directories, volumeUid).data,
    seedDisk: `${directory}/seed.img`,
    firmwareVariables: `${directory}/uefi-variables.fd`,
    memory: `${directory}/memory.qcow2`,
    runDirectory,
    qmpSocket: `${runDirectory}/qmp.sock`,
    pidFile: `${runDirectory}/qemu.pid`,
    consoleDirectory,
    consoleSocket: `${consoleDirectory}/socket`,
    qemuLog: `${directory}/qemu.log`,
    domain: `${directory}/domain.xml`,
    domainDevice: `${directory}/domain-device.xml`,
    serialStream: `${directory}/serial-stream.log`,
    serialPosition: `${directory}/serial-stream.position`,
    serialLog: `${directory}/serial`,
    attributeSlots: [`${directory}/guest-attributes.0`, `${directory}/guest-attributes.1`],
  }
}

/** Of a disk that outlives its instances. */
export function volumePaths(directories: AgentDirectories, volumeUid: string) {
  const directory = `${directories.state}/disks`
  // The record is there while the disk is being removed.
  return { directory, data: `${directory}/${volumeUid}.qcow2`, record: `${directory}/${volumeUid}.pb` }
}

/** Of a device that guests had. */
export const deviceRecordDirectory = (directories: AgentDirectories) => `${directories.state}/devices`
/** Of the NVSwitches that join devices of the host. */
export const fabricRecordPath = (directories: AgentDirectories) => `${directories.state}/fabric.pb`
/** Of a network whose rules have changed. */
export const networkRecordDirectory = (directories: AgentDirectories) => `${directories.state}/networks`
/** Of a network whose members on other hosts are known. */
export const membersRecordDirectory = (directories: AgentDirectories) =>
  `${directories.state}/network-members`
export const imageCacheDirectory = (directories: AgentDirectories) => `${directories.state}/images`
export const networkDirectory = (directories: AgentDirectories, networkUid: string) =>
  `${directories.run}/networks/${networkUid}`
export const metadataDirectory = (directories: AgentDirectories) => `${directories.state}/metadata`
export const metadataControlSocket = (directories: AgentDirectories) => `${directories.run}/metadata.sock`
