/** An image as the scheduler's settings name it. */
export interface TestImage {
  readonly id: string
  readonly url: string
  readonly sha256: string
  readonly format: 'raw' | 'qcow2'
  readonly sizeGb: number
  readonly directKernel?: {
    readonly kernel: { readonly url: string; readonly sha256: string }
    readonly initrd: { readonly url: string; readonly sha256: string }
    readonly commandLine: string
  }
}
