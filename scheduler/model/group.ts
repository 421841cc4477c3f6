// Names of groups of instances: its project's, told apart by whether a member came for company or for distance.

export const togetherGroup = (project: string, name: string) => `${project}/${name}:together`
export const apartGroup = (project: string, name: string) => `${project}/${name}:apart`

/** As its project calls it. */
export const nameOfGroup = (group: string): string => group.replace(/^[^/]*\//, '').replace(/:[a-z]+$/, '')
