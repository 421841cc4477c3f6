/** Of every program: nothing of the agent's own environment, which may hold secrets. */
export const programEnvironment = {
  LC_ALL: 'C',
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
} as const

/** Of Node's own: with an arena of memory for each of its threads it holds half as much again. */
export const nodeEnvironment = { ...programEnvironment, MALLOC_ARENA_MAX: '1' } as const
