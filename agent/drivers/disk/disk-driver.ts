// Owns what guests' disks are made from and the disks themselves: the host's image cache and each guest's qcow2.
// In: images by hash, disks by path. Out: files of a known format that only their guests may read.
// It never trusts what a file says of itself, never probes a format and never parses guests' data as root.
import type { Logger } from '../../../lib/log.ts'
import { ImageFormat } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Downloads, Exec, Files } from '../../host/ports.ts'
import { type AgentDirectories, imageCacheDirectory } from '../../plan/paths.ts'
import { ensureGuestDisk } from './guest-disk.ts'
import { createImageCache } from './image-cache.ts'
import { type DiskDriver, DiskError } from './port.ts'
import { removeSeedDisk, writeSeedDisk } from './seed-disk.ts'

export interface DiskDriverOptions {
  readonly exec: Exec
  readonly files: Files
  readonly downloads: Downloads
  readonly directories: AgentDirectories
  readonly log: Logger
  /** A uid that owns nothing: foreign images are looked at as this user. */
  readonly inspectorUid?: number
  readonly maxImageBytes?: number
  readonly maxBlobBytes?: number
}

const gibibyte = 1024 ** 3

export function createDiskDriver(options: DiskDriverOptions): DiskDriver {
  const { exec, files } = options
  const { maxImageBytes = 1024 * gibibyte, maxBlobBytes = gibibyte } = options
  const cache = createImageCache({
    ...options,
    directory: imageCacheDirectory(options.directories),
    inspectorUid: options.inspectorUid ?? 299_999,
  })
  return {
    ensureImage: (image, fetch = {}) => {
      const format =
        image.format === ImageFormat.RAW ? 'raw' : image.format === ImageFormat.QCOW2 ? 'qcow2' : undefined
      if (format === undefined) {
        return Promise.reject(
          new DiskError('IMAGE_REFUSED', `Image ${image.id} has no format: register it as raw or qcow2.`),
        )
      }
      const wanted = {
        what: `Image ${image.id}`,
        url: image.url,
        sha256: image.sha256,
        maxBytes: maxImageBytes,
      }
      return cache.ensureImage({ ...wanted, format }, fetch)
    },
    ensureBlob: (blob, fetch = {}) =>
      cache.ensureFile(
        { what: 'Boot file', url: blob.url, sha256: blob.sha256, maxBytes: maxBlobBytes },
        fetch,
      ),
    ensureDisk: (disk) => ensureGuestDisk({ exec, files, disk }),
    writeSeedDisk: (disk) => writeSeedDisk({ exec, files, disk }),
    removeSeedDisk: (path) => removeSeedDisk(files, path),
  }
}
