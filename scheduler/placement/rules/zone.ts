import { fits, type Rule } from '../rule.ts'

export const zone: Rule = {
  name: 'zone',
  check: (demand, host) =>
    host.zone === demand.zone
      ? fits
      : {
          kind: 'refused',
          message: `it is in zone ${host.zone}, not ${demand.zone}`,
          couldEverFit: false,
          shortfall: 1,
        },
}
