import type { FileOwner } from '../../host/ports.ts'

/** Whom the part of the service that guests talk to runs as: nobody's login, no guest's uid. */
export const metadataUser: FileOwner = { uid: 199_999, gid: 199_999 }

/** Of files that it reads and never writes, of a mode without rights for others. */
export const readableByWorker: FileOwner = { uid: 0, gid: metadataUser.gid }
