// libvirt as the agent sees it: virsh, the files that it leaves, and processes that outlive it. Strict: it refuses what the real
// one refuses, a command or an argument that is not modelled is an error of the test, and it can be gone for a while.
import { FakeExec, type FakeFollowed, type ProgramResult } from '../../../../agent/host/fake/fake-exec.ts'
import { FakeFiles } from '../../../../agent/host/fake/fake-files.ts'
import { FakeProcesses } from '../../../../agent/host/fake/fake-processes.ts'
import { FakeTerminals } from '../../../../agent/host/fake/fake-terminals.ts'

interface Domain {
  readonly name: string
  readonly xml: string
  readonly pid: number
  readonly uid: number
  state: 'paused' | 'running'
  /** Of disks that were plugged in. */
  readonly plugged: Map<string, string>
  typed: string
}

type Ask = (args: readonly string[]) => Promise<string>

class Refusal extends Error {}

export class FakeLibvirt {
  readonly files = new FakeFiles({ totalBytes: 1e12, nowMs: () => 0 })
  readonly processes = new FakeProcesses('boot-1')
  readonly exec: FakeExec
  readonly terminals: FakeTerminals
  readonly #domains = new Map<string, Domain>()
  readonly #listeners = new Set<Parameters<FakeFollowed>[1]>()
  /** Who may open a path, by user. */
  readonly access = new Map<string, Map<number, string>>()
  isUp = true
  /** A guest that lets go of nothing. */
  keepsDisks = false
  /** What libvirt says for QEMU, which ends at once. */
  qemuComplains: string | undefined
  hasRoom = true

  constructor() {
    this.exec = new FakeExec(
      {
        virsh: (args) => this.#virsh(args),
        setfacl: (args) => this.#setfacl(args),
      },
      {},
      { virsh: (args, listeners) => this.#follow(args, listeners) },
    )
    this.terminals = new FakeTerminals({
      virsh: (args, { end }) => {
        const [option, key, command, name = '', force] = this.#words(args)
        require(option === '--escape' && key === '^^' && command === 'console' && force === '--force', args)
        const domain = this.#domains.get(name)
        if (!this.isUp || !domain) throw new Error(`virsh ended: error: failed to get domain '${name}'`)
        const onTyped = (bytes: Uint8Array) => {
          if (bytes.includes(0x1e)) end()
          else domain.typed += Buffer.from(bytes).toString('latin1')
        }
        return { onTyped, onClose: () => {} }
      },
    })
    for (const directory of ['/run/libvirt/qemu', '/var/log/libvirt/qemu', '/var/lib/libvirt/qemu']) {
      void this.files.makeDirectory(directory)
    }
    void this.files.changeMode('/var/lib/libvirt/qemu', 0o750)
  }

  get states(): Readonly<Record<string, string>> {
    return Object.fromEntries([...this.#domains.values()].map(({ name, state }) => [name, state]))
  }

  typedTo(name: string): string {
    return this.#domain(name).typed
  }

  stop(): void {
    this.isUp = false
    for (const { onEnd } of [...this.#listeners]) onEnd('exit 1')
    this.#listeners.clear()
  }

  /** It finds its guests again, and notes those that have gone meanwhile. */
  start(): void {
    this.isUp = true
    for (const domain of [...this.#domains.values()]) {
      if (!this.processes.names().includes(domain.name)) this.#noteEnd(domain, 'crashed')
    }
  }

  /** The guest's own operating system does it. */
  powerOff(name: string): void {
    this.#end(this.#domain(name), 'shutdown')
  }

  /** Its process ends without a word: libvirt says so if it is there to see it. */
  crash(name: string): void {
    const domain = this.#domain(name)
    this.processes.end(domain.pid)
    if (this.isUp) this.#noteEnd(domain, 'crashed')
  }

  #words(args: readonly string[]): readonly string[] {
    const [quiet, connect, uri, ...words] = args
    require(quiet === '--quiet' && connect === '--connect' && uri === 'qemu:///system', args)
    return words
  }

  async #virsh(args: readonly string[]): Promise<ProgramResult> {
    const [command = '', ...rest] = this.#words(args)
    if (!this.isUp) return failure('failed to connect to the hypervisor', 'Failed to connect socket')
    const ask = this.#commands[command]
    if (!ask) throw new Error(`The fake virsh has no ${args.join(' ')}.`)
    try {
      return { stdout: `${await ask(rest)}\n` }
    } catch (thrown) {
      if (thrown instanceof Refusal) return failure(`Failed to ${command}`, thrown.message)
      throw thrown
    }
  }

  readonly #commands: Readonly<Record<string, Ask>> = {
    create: async ([path = '', ...args]) => {
      require(args.join(' ') === '--paused --validate', args)
      this.#begin(this.#read(path))
      return 'Domain created'
    },
    restore: async ([path = '', ...args]) => {
      require(args.join(' ') === '--paused', args)
      this.#begin(this.#read(path))
      return 'Domain restored'
    },
    domstate: async ([name = '']) => this.#domain(name).state,
    resume: async ([name = '']) => {
      const domain = this.#domain(name)
      if (domain.state === 'running')
        throw new Refusal('Requested operation is not valid: domain is already running')
      domain.state = 'running'
      return ''
    },
    suspend: async ([name = '']) => {
      this.#domain(name).state = 'paused'
      return ''
    },
    reset: async ([name = '']) => this.#domain(name).name,
    shutdown: async ([name = '', ...args]) => {
      require(args.join(' ') === '--mode acpi', args)
      const domain = this.#domain(name)
      // A guest with an operating system heeds it, a moment later.
      if (domain.state === 'running') setImmediate(() => this.#end(domain, 'shutdown'))
      return ''
    },
    destroy: async ([name = '']) => {
      this.#end(this.#domain(name), 'destroyed')
      return ''
    },
    dumpxml: async ([name = '']) => {
      const { xml, plugged } = this.#domain(name)
      return xml.replace('</devices>', `${[...plugged.values()].join('')}</devices>`)
    },
    domblklist: async ([name = '']) => {
      const { xml } = this.#domain(name)
      return [...xml.matchAll(/<target dev='(\w+)' bus/g)]
        .map(([, target]) => ` ${target}   /a/file`)
        .join('\n')
    },
    'attach-device': async ([name = '', path = '', ...args]) => {
      require(args.join(' ') === '--live', args)
      const xml = this.#read(path)
      const alias = /<alias name='(ua-[\w-]+)'/.exec(xml)?.[1] ?? 'controller'
      const { plugged, xml: before } = this.#domain(name)
      if (plugged.has(alias) || before.includes(`'${alias}'`)) {
        throw new Refusal(`unsupported configuration: non unique alias detected: ${alias}`)
      }
      const file = /<source file='([^']+)'/.exec(xml)?.[1]
      if (file !== undefined && !this.files.contentOf(file))
        throw new Refusal(`Cannot access storage file '${file}'`)
      plugged.set(alias, xml)
      return ''
    },
    'detach-device-alias': async ([name = '', alias = '', ...args]) => {
      require(args.join(' ') === '--live', args)
      const { plugged } = this.#domain(name)
      if (!plugged.has(alias)) throw new Refusal(`no device found with alias ${alias}`)
      if (!this.keepsDisks) setImmediate(() => plugged.delete(alias))
      return ''
    },
    blockresize: async ([name = '', target = '', size = '']) => {
      require(/^\d+B$/.test(size), [size])
      const { plugged, xml } = this.#domain(name)
      if (![xml, ...plugged.values()].some((one) => one.includes(`dev='${target}'`))) {
        throw new Refusal(`invalid path '${target}'`)
      }
      return ''
    },
    'snapshot-create-as': async ([name = '', ...args]) => {
      const domain = this.#domain(name)
      const path = /--memspec file=(\S+),snapshot=external/.exec(args.join(' '))?.[1] ?? ''
      require(args[0] === '--no-metadata' && path !== '' && domain.state === 'paused', args)
      for (const [, target] of domain.xml.matchAll(/<target dev='(\w+)' bus/g)) {
        require(args.includes(`${target},snapshot=no`), args)
      }
      if (this.files.contentOf(path)) throw new Refusal(`file '${path}' exists already`)
      if (!this.hasRoom) throw new Refusal(`Unable to write to '${path}': No space left on device`)
      this.files.place(path, { content: new TextEncoder().encode(domain.xml) })
      return ''
    },
  }

  #read(path: string): string {
    const content = this.files.contentOf(path)
    if (!content) throw new Refusal(`Failed to open file '${path}': No such file or directory`)
    return new TextDecoder().decode(content)
  }

  #begin(xml: string): void {
    const name = /<name>([^<]+)</.exec(xml)?.[1] ?? ''
    const uid = Number(/<label>\+(\d+):/.exec(xml)?.[1])
    if (this.#domains.has(name)) throw new Refusal(`operation failed: domain '${name}' already exists`)
    this.#log(name, 'starting up libvirt version: 9.0.0')
    const said = this.qemuComplains ?? this.#closedTo(uid, xml)
    if (said !== undefined) {
      this.#log(name, 'shutting down, reason=failed')
      throw new Refusal(
        `internal error: qemu unexpectedly closed the monitor: 2026-01-01T00:00:00.000000Z qemu-system-x86_64: ${said}`,
      )
    }
    const { identity } = this.processes.begin(name)
    this.files.place(`/run/libvirt/qemu/${name}.pid`, {
      content: new TextEncoder().encode(String(identity.pid)),
    })
    this.#domains.set(name, {
      name,
      xml,
      pid: identity.pid,
      uid,
      state: 'paused',
      plugged: new Map(),
      typed: '',
    })
    this.#tell()
  }

  /** Its user opens what it owns, and what it was let into. */
  #closedTo(uid: number, xml: string): string | undefined {
    const paths = [...xml.matchAll(/<(?:source file='|kernel>|initrd>)([^'<]+)/g)].map(
      ([, path]) => path ?? '',
    )
    return paths
      .filter((path) => !this.access.get(path)?.has(uid))
      .map((path) => `Could not open '${path}': Permission denied`)[0]
  }

  #end(domain: Domain, reason: string): void {
    this.processes.end(domain.pid)
    this.#noteEnd(domain, reason)
  }

  #noteEnd({ name }: Domain, reason: string): void {
    this.#domains.delete(name)
    void this.files.remove(`/run/libvirt/qemu/${name}.pid`)
    this.#log(name, `shutting down, reason=${reason}`)
    this.#tell()
  }

  #log(name: string, line: string): void {
    const path = `/var/log/libvirt/qemu/${name}.log`
    const before = this.files.contentOf(path) ?? new Uint8Array()
    const text = `2026-01-01 00:00:00.000+0000: ${line}\n`
    this.files.place(path, { content: Buffer.concat([before, Buffer.from(text)]) })
  }

  #domain(name: string): Domain {
    const domain = this.#domains.get(name)
    if (!domain) throw new Refusal(`failed to get domain '${name}'`)
    return domain
  }

  #follow(args: readonly string[], listeners: Parameters<FakeFollowed>[1]): () => void {
    require(this.#words(args).join(' ') === 'event --event lifecycle --loop', args)
    if (!this.isUp) {
      setImmediate(() => listeners.onEnd('exit 1'))
      return () => {}
    }
    this.#listeners.add(listeners)
    return () => this.#listeners.delete(listeners)
  }

  #tell(): void {
    for (const { onOutput } of this.#listeners) setImmediate(onOutput)
  }

  async #setfacl(args: readonly string[]): Promise<ProgramResult> {
    const remove = args[0] === '--recursive' && args[1] === '--remove'
    const [entry = '', path = ''] = args.slice(remove ? 2 : 1)
    const [, uid = '', mode] = entry.split(':')
    require(remove ? mode === undefined : args[0] === '--modify' && mode === 'r', args)
    if (remove) {
      for (const [known, users] of this.access) if (known.startsWith(`${path}/`)) users.delete(Number(uid))
      return {}
    }
    if (!this.files.contentOf(path)) return { code: 1, stderr: `setfacl: ${path}: No such file or directory` }
    const users = this.access.get(path) ?? new Map<number, string>()
    this.access.set(path, users.set(Number(uid), mode ?? ''))
    return {}
  }
}

const failure = (...words: readonly string[]): ProgramResult => ({
  code: 1,
  stderr: words.map((word) => `error: ${word}\n`).join(''),
})

function require(condition: boolean, args: readonly string[]): void {
  if (!condition) throw new Error(`The fake libvirt does not know of this: ${args.join(' ')}`)
}
