import type { Blob, Image } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { DownloadProgress, FileOwner } from '../../host/ports.ts'

export interface CachedFile {
  readonly path: string
  /** Only members of this group may read it; a guest that uses the file gets the group. */
  readonly gid: number
}

export interface CachedImage extends CachedFile {
  readonly format: 'raw' | 'qcow2'
  /** Bytes of the disk that the guest sees. */
  readonly virtualBytes: number
}

export interface FetchOptions {
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: DownloadProgress) => void
}

export interface DiskPlan {
  /** Where the guest's own qcow2 overlay (or blank disk) lies. */
  readonly path: string
  readonly sizeGb: number
  readonly base?: CachedImage
  readonly owner: FileOwner
  /** Of a disk that goes from guest to guest: it rests on no image, for the next guest may not read that one. */
  readonly volume?: {
    /** What is missing is lost, and not made anew. */
    readonly mustExist: boolean
  }
}

export interface SeedDiskPlan {
  readonly path: string
  readonly files: Readonly<Record<string, string>>
  readonly owner: FileOwner
}

/** Why a disk or image can't be had; reason is published with the failed instance. */
export class DiskError extends Error {
  override readonly name = 'DiskError'
  readonly reason:
    | 'IMAGE_NOT_FOUND'
    | 'IMAGE_UNREACHABLE'
    | 'IMAGE_CHECKSUM_MISMATCH'
    | 'IMAGE_REFUSED'
    | 'IMAGE_LARGER_THAN_DISK'
    | 'DISK_FULL'
    | 'DISK_LOST'
    | 'METADATA_TOO_LARGE'

  constructor(reason: DiskError['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** Images (content-addressed, verified, inspected) and guests' disks. @throws DiskError */
export interface DiskDriver {
  /** One download however many instances wait; verified and inspected before anyone sees it. */
  ensureImage(image: Image, options?: FetchOptions): Promise<CachedImage>
  /** A kernel or initrd: verified, not inspected. */
  ensureBlob(blob: Blob, options?: FetchOptions): Promise<CachedFile>
  /** Made once: an existing disk is left as it is, but grown to its size. */
  ensureDisk(disk: DiskPlan): Promise<void>
  /** Made anew at each call; only the guest's user may read it. */
  writeSeedDisk(disk: SeedDiskPlan): Promise<void>
  removeSeedDisk(path: string): Promise<void>
}
