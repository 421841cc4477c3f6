import { diagnoseHost } from '../inventory/doctor.ts'
import type { HostFactsOptions } from '../inventory/host-facts.ts'

export interface Report {
  readonly text: string
  readonly isHealthy: boolean
}

/** What `berth-agent doctor` prints. */
export async function describeTroubles(
  options: HostFactsOptions,
  flags: { readonly json?: boolean },
): Promise<Report> {
  const { facts, troubles } = await diagnoseHost(options)
  const isHealthy = troubles.length === 0
  if (flags.json) {
    const plain = troubles.map(({ code, message }) => ({ code, message }))
    return { isHealthy, text: `${JSON.stringify({ hostname: facts.hostname, troubles: plain }, null, 2)}\n` }
  }
  if (isHealthy) return { isHealthy, text: `${facts.hostname}: nothing to put right.\n` }
  const lines = troubles.map(({ code, message }) => `\n${code}\n  ${message}\n`)
  return { isHealthy, text: `${facts.hostname}: ${troubles.length} to put right.\n${lines.join('')}` }
}
