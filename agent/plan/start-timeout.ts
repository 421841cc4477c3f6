import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'

/** Enough for any guest whose memory comes as it is used. */
const baseMs = 60_000
/**
 * Filling and pinning, before QEMU answers at all. One thread fills 1 TiB in 9 min (537 s with pages of 2 MiB, QEMU's commit
 * 1e356fc14b), and the kernel goes over every page once more to pin it: 20 min for 1 TiB, where the host is in no hurry.
 */
const pinMsPerGib = (20 * 60_000) / 1024
/** Where the host maps a BAR page by page (QEMU before 9.2, Linux before 6.12) 128 GiB take some 30 s. */
const mapMsPerGib = 30_000 / 128
/** What is reckoned for each GPU where its BARs are not known: the largest that there are today, rounded up. */
const unknownBarsGib = 256
const bytesPerGib = 1024 ** 3

/** How long a guest may take from exec until its vCPUs run: whoever gives up earlier begins all of it anew. */
export function planStartTimeoutMs(
  spec: Pick<InstanceSpec, 'gpus' | 'memoryMib'>,
  { barBytes }: { readonly barBytes?: number | undefined } = {},
): number {
  if (spec.gpus.length === 0) return baseMs
  const barsGib = barBytes === undefined ? spec.gpus.length * unknownBarsGib : barBytes / bytesPerGib
  return Math.ceil(baseMs + (spec.memoryMib / 1024) * pinMsPerGib + barsGib * mapMsPerGib)
}
