import { lacksForGood, type Rule } from '../rule.ts'

/** The host that has the data of the disks that are to be attached. */
export const diskHost: Rule = {
  name: 'disk-host',
  holds: ({ volumes }, { host }) => volumes?.hostId === undefined || volumes.hostId === host.hostId,
  explain: () => lacksForGood(() => 'the disk is on another host'),
}
