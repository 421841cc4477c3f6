// How much passes a NIC. What comes for the guest waits in a short queue; what the guest sends beyond its share is dropped
// where it comes in, for the host keeps nothing that a guest could fill.

/** So that one large frame always fits. */
const smallestBurstBytes = 128 * 1024
const bytesPerMs = (mbps: number) => mbps * 125

/** The first rule of a tap's filter; none without a limit. TCP needs the room of a round trip to find its speed. */
export function renderIngressLimit(mbps: number): readonly string[] {
  if (mbps === 0) return []
  const burst = Math.max(smallestBurstBytes, 100 * bytesPerMs(mbps))
  return [`limit rate over ${1000 * bytesPerMs(mbps)} bytes/second burst ${burst} bytes drop`]
}

/** What `tc` is told of a tap. */
export function egressLimitArgs(tap: string, mbps: number): readonly string[] {
  const burst = Math.max(smallestBurstBytes, 10 * bytesPerMs(mbps))
  const bucket = ['rate', `${mbps}mbit`, 'burst', String(burst), 'latency', '50ms']
  return ['qdisc', 'replace', 'dev', tap, 'root', 'tbf', ...bucket]
}
