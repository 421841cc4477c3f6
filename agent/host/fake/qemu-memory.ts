import type { FakeFiles } from './fake-files.ts'
import { type FakeQemuDisks, QemuRefusal } from './qemu-disks.ts'

interface Now {
  readonly isPrelaunch: boolean
  readonly tell: (event: string, data: object) => void
}

const mark = 'memory of a fake guest: '

/** Memory of one guest, and the jobs that write it into a qcow2 and read it back: what is read is what was written. */
export class FakeQemuMemory {
  readonly #files: FakeFiles
  readonly #disks: FakeQemuDisks
  readonly #jobs = new Map<string, { readonly error?: string }>()
  content = ''
  isLoaded = false

  constructor(files: FakeFiles, disks: FakeQemuDisks) {
    this.#files = files
    this.#disks = disks
  }

  execute(command: string, wanted: Record<string, unknown>, now: Now): unknown {
    switch (command) {
      case 'query-jobs':
        return [...this.#jobs].map(([id, { error }]) => ({
          id,
          status: 'concluded',
          ...(error ? { error } : {}),
        }))
      case 'job-dismiss':
        if (!this.#jobs.delete(String(wanted['id']))) throw new QemuRefusal('Job not found')
        return {}
      case 'snapshot-save':
        return this.#begin(wanted, now, (file) => this.#save(file))
      case 'snapshot-load':
        if (!now.isPrelaunch) throw new Error('The fake QEMU loads memory only before its vCPUs run.')
        return this.#begin(wanted, now, (file) => this.#load(file))
      default:
        throw new Error(`The fake QEMU has no ${command}.`)
    }
  }

  #begin(wanted: Record<string, unknown>, { tell }: Now, work: (file: string) => string | undefined): object {
    const id = String(wanted['job-id'])
    const file = this.#disks.fileOf(String(wanted['vmstate']))
    if (this.#jobs.has(id)) throw new QemuRefusal(`Job ID '${id}' already in use`)
    setImmediate(() => {
      const error = file === undefined ? 'No block device found' : work(file)
      this.#jobs.set(id, error === undefined ? {} : { error })
      tell('JOB_STATUS_CHANGE', { id, status: 'concluded' })
    })
    return {}
  }

  #save(file: string): string | undefined {
    try {
      this.#files.place(file, { content: new TextEncoder().encode(`${mark}${this.content}`) })
      return undefined
    } catch {
      return 'Error while writing VM state: No space left on device'
    }
  }

  #load(file: string): string | undefined {
    const text = new TextDecoder().decode(this.#files.contentOf(file))
    if (!text.startsWith(mark)) return "Snapshot 'suspended' does not exist in one or more devices"
    this.content = text.slice(mark.length)
    this.isLoaded = true
    return undefined
  }
}
