/** What is free and what there is, of one host or of many on average: all that most scores look at. */
export interface FreeShape {
  readonly freeVcpus: number
  readonly vcpus: number
  readonly freeMemoryMib: number
  readonly memoryMib: number
  readonly freeGpus: number
  readonly gpus: number
}
