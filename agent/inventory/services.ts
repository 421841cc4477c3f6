import { type Exec, ExecError, type Sysfs } from '../host/ports.ts'

/** Services of the host that change rules for packets on their own account. */
export interface Services {
  readonly nftables: boolean
  readonly docker: boolean
  readonly firewalld: boolean
}

/** Running now, or at the next boot. */
export async function readServices({ exec, sysfs }: { exec: Exec; sysfs: Sysfs }): Promise<Services> {
  const [units, dockerBridge] = await Promise.all([
    readUnits(exec, ['nftables.service', 'docker.service', 'firewalld.service']),
    sysfs.read('sys/class/net/docker0/mtu'),
  ])
  const isOn = (unit: string) =>
    units.some(
      (fields) =>
        fields.includes(`Id=${unit}`) &&
        (fields.includes('ActiveState=active') || fields.includes('UnitFileState=enabled')),
    )
  return {
    nftables: isOn('nftables.service'),
    docker: isOn('docker.service') || dockerBridge !== undefined,
    firewalld: isOn('firewalld.service'),
  }
}

/** Fields of each unit; none where systemd isn't there. */
async function readUnits(exec: Exec, units: readonly string[]): Promise<readonly (readonly string[])[]> {
  try {
    const { stdout } = await exec.run('systemctl', [
      'show',
      '--property=Id,ActiveState,UnitFileState',
      ...units,
    ])
    return stdout.split('\n\n').map((block) => block.split('\n'))
  } catch (thrown) {
    if (thrown instanceof ExecError) return []
    throw thrown
  }
}
