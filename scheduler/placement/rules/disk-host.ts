import { fits, type Rule } from '../rule.ts'

/** The host that has the data of the disks that are to be attached. */
export const diskHost: Rule = {
  name: 'disk-host',
  check: ({ volumes }, host) =>
    volumes?.hostId === undefined || volumes.hostId === host.hostId
      ? fits
      : { kind: 'refused', message: 'the disk is on another host', couldEverFit: false, shortfall: 1 },
}
