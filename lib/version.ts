import manifest from '../package.json' with { type: 'json' }

/** Of this program; in a package, the package's. */
export const version: string = manifest.version
