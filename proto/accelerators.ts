// Accelerators that are known by their PCI ids, from the public PCI id list and their makers' data sheets. Operators name
// others, or name these otherwise, in the settings; placement goes by the settings alone.

export interface KnownAccelerator {
  /** As an accelerator type is called. */
  readonly type: string
  /** vendor:device */
  readonly pciIds: readonly string[]
  readonly memoryGb: number
  /**
   * How many of them one guest may have where NVSwitches join them: a board is cut into partitions of these sizes. Absent
   * where nothing joins them but PCI Express.
   */
  readonly partitionSizes?: readonly number[]
}

const board = { partitionSizes: [1, 2, 4, 8] } as const

export const knownAccelerators: readonly KnownAccelerator[] = [
  { type: 'nvidia-h100-80gb', pciIds: ['10de:2330'], memoryGb: 80, ...board },
  { type: 'nvidia-h100-pcie-80gb', pciIds: ['10de:2331'], memoryGb: 80 },
  { type: 'nvidia-h200-141gb', pciIds: ['10de:2335'], memoryGb: 141, ...board },
  { type: 'nvidia-h200-nvl-141gb', pciIds: ['10de:233b'], memoryGb: 141 },
  { type: 'nvidia-b200-180gb', pciIds: ['10de:2901'], memoryGb: 180, ...board },
  { type: 'nvidia-a100-sxm-40gb', pciIds: ['10de:20b0'], memoryGb: 40, ...board },
  { type: 'nvidia-a100-sxm-80gb', pciIds: ['10de:20b2'], memoryGb: 80, ...board },
  { type: 'nvidia-a100-80gb', pciIds: ['10de:20b5'], memoryGb: 80 },
  { type: 'nvidia-a100-40gb', pciIds: ['10de:20f1'], memoryGb: 40 },
  { type: 'nvidia-l40s', pciIds: ['10de:26b9'], memoryGb: 48 },
  { type: 'nvidia-l40', pciIds: ['10de:26b5'], memoryGb: 48 },
  { type: 'nvidia-l4', pciIds: ['10de:27b8'], memoryGb: 24 },
  { type: 'nvidia-a10', pciIds: ['10de:2236'], memoryGb: 24 },
  { type: 'nvidia-t4', pciIds: ['10de:1eb8'], memoryGb: 16 },
  { type: 'nvidia-rtx-pro-6000-server', pciIds: ['10de:2bb5'], memoryGb: 96 },
  { type: 'amd-mi300x', pciIds: ['1002:74a1'], memoryGb: 192 },
]

/** Devices that join accelerators or stand beside them, as a person calls them. */
export const knownCompanions: Readonly<Record<string, string>> = {
  '10de:22a3': 'NVSwitch (H100, H200)',
  '10de:1af1': 'NVSwitch (A100)',
  '15b3:1021': 'ConnectX-7',
  '15b3:a2dc': 'BlueField-3',
}

/** `named`: the operator's, which come first. */
export function findAccelerator(
  pciId: string,
  named: readonly KnownAccelerator[] = [],
): KnownAccelerator | undefined {
  return [...named, ...knownAccelerators].find(({ pciIds }) => pciIds.includes(pciId))
}
