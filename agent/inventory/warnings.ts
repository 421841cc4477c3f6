import { create } from '@bufbuild/protobuf'
import {
  Accelerator,
  type HostWarning,
  HostWarningSchema,
  type Virtualization,
} from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { HostFeature } from './features.ts'
import type { KvmEvidence } from './virtualization.ts'

export interface WarningFacts {
  readonly virtualization: Virtualization
  readonly evidence: KvmEvidence
  readonly features: readonly HostFeature[]
  /** What it has for guests. */
  readonly acceleratorCount: number
  /** What would turn the IOMMU on. */
  readonly iommuAdvice: string
  readonly missingUplinks: readonly string[]
  /** The interface that the operator wants guests to leave by. */
  readonly gateway?: string | undefined
  readonly bridgeCallsIptables: boolean
}

/** What is wrong with the host, each with what ends it. */
export function planWarnings(facts: WarningFacts): HostWarning[] {
  const { virtualization, evidence, features, acceleratorCount } = facts
  const usesKvm = virtualization.accelerator === Accelerator.KVM
  return toWarnings([
    [
      virtualization.qemuVersion === '',
      'QEMU_MISSING',
      'QEMU does not run: no guest can start. Install qemu-system-x86 and qemu-utils.',
    ],
    [
      !usesKvm,
      'EMULATED_GUESTS',
      `Guests are emulated (TCG), many times slower than the hardware. ${virtualization.reason} Turn on virtualization in the firmware and load kvm_intel or kvm_amd.`,
    ],
    [
      usesKvm && !(evidence.deviceOpens && evidence.cpuHasExtension),
      'KVM_UNPROVEN',
      'KVM was chosen by the operator, but /dev/kvm or the CPU shows none: if guests hang, set the accelerator to auto.',
    ],
    [
      acceleratorCount > 0 && !features.includes('iommu'),
      'NO_IOMMU',
      `The host has devices for guests but no IOMMU: none can be passed through. ${facts.iommuAdvice}`,
    ],
    [
      !features.includes('vlan'),
      'NO_VLANS',
      'The kernel has no VLANs: networks of this host stay on this host. Load 8021q, or boot a kernel with VLAN_8021Q.',
    ],
    [
      facts.missingUplinks.length > 0,
      'UPLINK_MISSING',
      `The settings name uplinks that the host does not have: ${facts.missingUplinks.join(', ')}. Networks that need them go to other hosts; set the interface up, or name another and restart the agent.`,
    ],
    [
      facts.gateway !== undefined && !features.includes('nat-gateway'),
      'NO_GATEWAY',
      `The settings make the host a gateway by ${facts.gateway}, and either it is not there or the kernel can't translate addresses: networks with internetAccess NAT go to other hosts. Set the interface up; or name another, or load nft_masq and nft_ct, and restart the agent.`,
    ],
    [
      facts.bridgeCallsIptables,
      'BRIDGE_CALLS_IPTABLES',
      "br_netfilter sends guests' frames through the host's iptables rules: set net.bridge.bridge-nf-call-iptables to 0.",
    ],
  ])
}

export type WarningCandidate = readonly [isPresent: boolean, code: string, message: string]

export const toWarnings = (candidates: readonly WarningCandidate[]): HostWarning[] =>
  candidates
    .filter(([isPresent]) => isPresent)
    .map(([, code, message]) => create(HostWarningSchema, { code, message }))
