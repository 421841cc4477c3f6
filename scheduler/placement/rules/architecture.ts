import { fits, type Rule } from '../rule.ts'

export const architecture: Rule = {
  name: 'architecture',
  check: (demand, host) =>
    host.architecture === demand.architecture
      ? fits
      : {
          kind: 'refused',
          message: `it is ${host.architecture} and the image is ${demand.architecture}`,
          couldEverFit: false,
          shortfall: 1,
        },
}
