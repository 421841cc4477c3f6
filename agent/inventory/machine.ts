import { cpu, mem, osInfo } from 'systeminformation'

/** The machine as such. */
export interface Machine {
  readonly hostname: string
  /** As the kernel and the API call it: x86_64, aarch64. */
  readonly architecture: string
  readonly kernel: string
  /** Logical. */
  readonly cpus: number
  readonly memoryMib: number
}

const architectures: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' }

export async function readMachine(): Promise<Machine> {
  const [system, processor, memory] = await Promise.all([osInfo(), cpu(), mem()])
  return {
    hostname: system.hostname,
    architecture: architectures[system.arch] ?? system.arch,
    kernel: system.kernel,
    cpus: processor.cores,
    memoryMib: Math.floor(memory.total / 1024 ** 2),
  }
}
