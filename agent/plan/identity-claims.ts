// What an instance's signed identity says of it, whoever it is shown to. Pure.
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { bootImage } from './plan-instance.ts'

export interface IdentityClaims {
  /** Begins with the project, so that a verifier that knows nothing but `sub` can trust a whole project. */
  readonly sub: string
  readonly berth: {
    readonly region: string
    readonly zone: string
    readonly project: string
    readonly instance: { readonly id: string; readonly uid: string; readonly createdAt: string }
    readonly instanceType: string
    readonly image: string
    /** What was granted, by type. */
    readonly gpus: readonly { readonly type: string; readonly count: number }[]
  }
}

export function renderIdentityClaims(spec: InstanceSpec): IdentityClaims {
  const { region, zone, project, id, uid, createdAt, instanceType } = spec
  const counts = new Map<string, number>()
  for (const { type } of spec.gpus) counts.set(type, (counts.get(type) ?? 0) + 1)
  return {
    sub: `project:${project}:instance:${uid}`,
    berth: {
      ...{ region, zone, project, instance: { id, uid, createdAt }, instanceType },
      image: bootImage(spec)?.id ?? '',
      gpus: [...counts].map(([type, count]) => ({ type, count })),
    },
  }
}
