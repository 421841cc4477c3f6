/** Up to so many, a host shares all of its CPUs with its guests: keeping one back would waste too much of it. */
const sharedUpTo = 4

/** Of larger hosts every 64 begun CPUs leave one for the agent, the services of networks and QEMU's own threads. */
const cpusPerReserved = 64

/** The CPUs that guests may use. */
export function planCpuShare(cpus: number, reservedCpus?: number): number {
  const reserved = reservedCpus ?? (cpus <= sharedUpTo ? 0 : Math.ceil(cpus / cpusPerReserved))
  return Math.max(0, cpus - reserved)
}
