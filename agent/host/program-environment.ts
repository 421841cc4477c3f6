/** Of every program: nothing of the agent's own environment, which may hold secrets. */
export const programEnvironment = {
  LC_ALL: 'C',
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
} as const
