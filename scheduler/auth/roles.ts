// Who may do what: roles in a project (each includes the ones before it) and the region's operator, who stands apart.

export const projectRoles = ['viewer', 'editor', 'admin'] as const
export type ProjectRole = (typeof projectRoles)[number]

/** Who asks, as the token proves it. */
export interface Principal {
  readonly subject: string
  readonly operator: boolean
  /** When the token is no proof any more. */
  readonly expiresAtMs: number
  /** Project id, or `*` for every project → the highest role there. */
  readonly projects: ReadonlyMap<string, ProjectRole>
}

/** `operator`, `PROJECT:ROLE` or `*:ROLE`; values that say neither are other people's and mean nothing here. */
export function parseRoles(
  values: readonly string[],
  mapping: Readonly<Record<string, readonly string[]>>,
): Pick<Principal, 'operator' | 'projects'> {
  const roles = values.flatMap((value) => (Object.hasOwn(mapping, value) ? (mapping[value] ?? []) : [value]))
  const projects = new Map<string, ProjectRole>()
  for (const role of roles) {
    const [project = '', name = '', ...rest] = role.split(':')
    const projectRole = projectRoles.find((candidate) => candidate === name)
    if (projectRole === undefined || project === '' || rest.length > 0) continue
    projects.set(project, higherOf(projects.get(project), projectRole))
  }
  return { operator: roles.includes('operator'), projects }
}

export function roleIn(principal: Principal, project: string): ProjectRole | undefined {
  const own = principal.projects.get(project)
  const everywhere = principal.projects.get('*')
  return everywhere === undefined ? own : higherOf(own, everywhere)
}

export const includesRole = (held: ProjectRole, needed: ProjectRole): boolean =>
  projectRoles.indexOf(held) >= projectRoles.indexOf(needed)

const higherOf = (a: ProjectRole | undefined, b: ProjectRole): ProjectRole =>
  a !== undefined && includesRole(a, b) ? a : b
