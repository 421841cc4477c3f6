// What a guest that had broken out of QEMU could open: tried by a shell in the place of its process.
import type { LabHost } from './host.ts'

/** Of these paths, those that open for reading to whoever has the guest's cgroup, mounts, user, groups and AppArmor profile. */
export async function findOpenable(
  host: LabHost,
  guest: {
    readonly pid: string
    readonly paths: readonly string[]
    /** With root's user and all capabilities, in the guest's cgroup and mounts. */
    readonly asRoot?: boolean
  },
): Promise<readonly string[]> {
  const { pid, paths, asRoot = false } = guest
  const user = asRoot ? '' : 'setpriv --reuid $uid --regid $gid "$@" --bounding-set=-all --no-new-privs'
  const attempt = 'for path in "$@"; do { true < "$path"; } 2> /dev/null && echo "$path"; done; true'
  const { stdout } = await host.exec(
    [
      `field() { grep "^$1:" /proc/${pid}/status | cut -f 2; }`,
      'uid=$(field Uid) gid=$(field Gid)',
      "list=$(field Groups | xargs | tr ' ' ,)",
      'set -- --clear-groups; test -z "$list" || set -- --groups "$list"',
      // Of the shells, libvirt's profile lets dash run.
      `profile=$(sed -n 's/ (enforce)$//p' /proc/${pid}/attr/current 2> /dev/null)`,
      `confined='dash -c'; test -z "$profile" || confined="aa-exec -p $profile -- dash -c"`,
      `echo $$ > "/sys/fs/cgroup$(cut -d: -f3- /proc/${pid}/cgroup)/cgroup.procs"`,
      `nsenter --target ${pid} --mount -- ${user} $confined '${attempt}' probe ${paths.join(' ')} | cat`,
    ].join('\n'),
  )
  return stdout.split('\n').filter(Boolean)
}
