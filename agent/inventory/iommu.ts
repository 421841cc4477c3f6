/** What turns the IOMMU on, by what the processor is and what the kernel was told. */
export function planIommuAdvice(host: { cpuinfo: string; commandLine: string }): string {
  const words = host.commandLine.split(/\s+/)
  const off = words.find((word) => /^(intel_iommu|amd_iommu|iommu)=off$/.test(word))
  const takeOff = off === undefined ? '' : ` and take ${off} off the kernel's command line`
  switch (/^vendor_id\s*:\s*(\S+)/m.exec(host.cpuinfo)?.[1]) {
    case 'GenuineIntel':
      return words.includes('intel_iommu=on')
        ? 'The kernel was booted with intel_iommu=on already: turn VT-d on in the firmware.'
        : `Turn VT-d on in the firmware${takeOff}, and boot with intel_iommu=on iommu=pt.`
    case 'AuthenticAMD':
      return `Turn IOMMU (AMD-Vi) on in the firmware${takeOff}; the kernel then uses it by itself, best with iommu=pt.`
    default:
      return `Turn it on in the firmware${takeOff}, and boot with what the kernel needs for it, such as intel_iommu=on.`
  }
}
