import type { ProcessPlan } from './supervision.ts'

/**
 * QEMU as the guest's own user, without any privilege, started by root. Each program becomes the next, so that the pid
 * stays. systemd's own User= takes no number that is in no user database, and guests' users are in none.
 */
export function renderUnprivileged({ program, args, pidFilePath, runAs }: ProcessPlan): readonly string[] {
  const { uid, gid, supplementaryGids } = runAs
  const groups = supplementaryGids.length > 0 ? ['--groups', supplementaryGids.join(',')] : ['--clear-groups']
  return [
    ...['setpriv', '--reuid', String(uid), '--regid', String(gid), ...groups],
    ...['--no-new-privs', '--inh-caps=-all', '--bounding-set=-all', '--'],
    ...[program, ...args, '-pidfile', pidFilePath],
  ]
}
