// What the API answers, as far as the command line looks at it.
import type { InstanceStatus } from '../../proto/instance-state.ts'

export interface Instance {
  readonly selfLink: string
  readonly uid: string
  readonly id: string
  readonly displayName?: string
  readonly description?: string
  readonly labels: Readonly<Record<string, string>>
  readonly type: string
  readonly instanceMetadata: readonly { readonly key: string; readonly value: string }[]
  readonly hostname: string
  readonly lifecycle: {
    readonly status: InstanceStatus
    readonly statusMessage: string
    readonly reason: string
    readonly since: string
    readonly operationId?: string
  }
  readonly disks: readonly {
    readonly deviceName: string
    readonly sizeGb: number
    readonly interface: string
    readonly source?: string
    readonly boot: boolean
  }[]
  readonly nics: readonly {
    readonly name: string
    readonly network: string
    readonly ipv4Address?: string
    readonly macAddress: string
  }[]
  readonly gpus: readonly { readonly type: string; readonly count: number }[]
  readonly createdAt: string
  readonly updatedAt: string
}

export interface Operation {
  readonly id: string
  readonly type: string
  readonly status: 'RUNNING' | 'DONE'
  /** Of one that ended badly. */
  readonly error?: { readonly reason: string; readonly message: string }
}

export interface InstanceEvent {
  readonly sequence: number
  readonly from?: string
  readonly to?: string
  readonly reason: string
  readonly message: string
  readonly at: string
}

/** Text of the serial port; `next` is where the following read starts. */
export interface SerialOutput {
  readonly contents: string
  readonly start: string
  readonly next: string
}

export interface Host {
  readonly id: string
  readonly connected: boolean
}

/** The body of a create: what the user left open is left out. */
export interface InstanceRequest {
  readonly type: string
  readonly id?: string
  readonly displayName?: string
  readonly description?: string
  readonly hostname?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly instanceMetadata?: readonly { readonly key: string; readonly value: string }[]
  readonly disks?: readonly {
    readonly source?: string
    readonly sizeGb?: number
    readonly boot: boolean
  }[]
  readonly nics?: readonly { readonly network: string }[]
  readonly gpus?: readonly { readonly type: string; readonly count: number }[]
}

/** The last part of a reference: /v1/…/instance-types/g1-small → g1-small */
export const shortName = (reference: string) => reference.split('/').at(-1) ?? reference
