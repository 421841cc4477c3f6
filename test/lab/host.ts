// A virtual hypervisor: boots, runs commands, loses its cable or its power, and leaves nothing behind. In: the image, the
// repository, and what the machine is to have. Out: a handle. It knows nothing of Berth.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repositoryRoot } from '../support/imports.ts'
import { freePort } from '../support/ports.ts'
import { ensureEmulator } from './emulator.ts'
import { ensureHostImage, type FurtherSoftware, type HostImage } from './host-image.ts'
import type { Trunk } from './trunk.ts'

export interface HostOptions {
  readonly name: string
  /** Plugs its two uplinks, eth1 and eth2, into a switch. */
  readonly trunk?: Trunk
  readonly memoryMib?: number
  /** Displays stand in for GPUs, each behind a root port of its own. */
  readonly gpus?: number
  /** Beside what every host has. */
  readonly further?: FurtherSoftware
  readonly say?: (line: string) => void
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** It was given no more time: `code` says nothing. */
  readonly isLate: boolean
}

export interface LabHost {
  readonly name: string
  /** Here; /lab on the host. */
  readonly share: string
  /** By the host's shell. @throws where the shell's last word is not 0, unless it may be */
  exec(command: string, options?: { mayFail?: boolean; input?: string; timeoutMs?: number }): Promise<Ran>
  /** 127.0.0.1:PORT of the host leads to the same port here, until the host's next boot. */
  forward(port: number): Promise<void>
  /** Both ends see it. eth1 is uplink 0. */
  setCable(uplink: number, isPlugged: boolean): Promise<void>
  /** As the power button does; resolves once it is up again. */
  reboot(): Promise<void>
  /** As if the power had failed. */
  kill(): Promise<void>
  console(): string
  close(): Promise<void>
}

const bootLimitMs = 300_000
/**
 * An emulator that gets no CPU for a moment is no broken timer, which would be the end of the kernel; and a kernel that
 * has ended is to end the machine.
 */
const emulated = 'no_timer_check panic=-1'
/** What ssh ends with where the program was ended by a signal, or the connection was. */
const lostCode = 255

export async function bootHost(options: HostOptions): Promise<LabHost> {
  const image = await ensureHostImage(options.say, options.further)
  const emulator = ensureEmulator(options.say)
  const folder = mkdtempSync(join(tmpdir(), `berth-lab-${options.name}-`))
  const share = join(folder, 'share')
  mkdirSync(share)
  const overlay = join(folder, 'disk.qcow2')
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', image.diskPath, overlay, '24G'])
  const sshPort = await freePort()
  const paths = { folder, share, overlay, qmp: join(folder, 'qmp.sock'), log: join(folder, 'console.log') }

  // A host on a trunk is within its namespace, with the port of its ssh too.
  const where = options.trunk === undefined ? [] : ['ip', 'netns', 'exec', options.trunk.namespace]

  const start = (): ChildProcess => {
    const output = openSync(join(folder, 'qemu.log'), 'a')
    const qemu = [...where, ...emulator, ...qemuArgs(options, image, { ...paths, sshPort })]
    const child = spawn(qemu[0] ?? '', qemu.slice(1), { stdio: ['ignore', output, output] })
    closeSync(output)
    return child
  }
  let machine = start()
  const ended = () => machine.exitCode !== null || machine.signalCode !== null

  const sshArgs = [
    ...['-i', image.privateKeyPath, '-p', String(sshPort), '-o', 'BatchMode=yes', '-o', 'LogLevel=ERROR'],
    ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'ConnectTimeout=5'],
    ...(where.length === 0 ? [] : ['-o', `ProxyCommand=${where.join(' ')} busybox nc %h %p`]),
    ...['-o', 'ControlMaster=auto', '-o', 'ControlPersist=yes', '-o', `ControlPath=${join(folder, 'ssh')}`],
  ]
  const ssh = (args: readonly string[], input = '', timeoutMs = 120_000) =>
    runProgram('ssh', [...sshArgs, ...args], input, timeoutMs)

  const waitUp = async () => {
    const beganMs = Date.now()
    while ((await ssh(['root@127.0.0.1', 'systemctl is-active ssh >/dev/null'], '', 10_000)).code !== 0) {
      if (ended())
        throw new Error(`Lab host ${options.name} ended: ${readFileSync(paths.log, 'utf8').slice(-2000)}`)
      if (Date.now() - beganMs > bootLimitMs) {
        throw new Error(
          `Lab host ${options.name} does not come up: ${readFileSync(paths.log, 'utf8').slice(-2000)}`,
        )
      }
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  }
  /** What QEMU said of its own end, and the host's kernel of its own. */
  const lastWords = () =>
    [join(folder, 'qemu.log'), paths.log].map((path) => readFileSync(path, 'utf8').slice(-1000)).join('\n')
  const disconnect = () => ssh(['-O', 'exit', 'root@127.0.0.1'])
  const end = async () => {
    const gone = new Promise<void>((resolve) => {
      if (ended()) resolve()
      else machine.once('exit', () => resolve())
    })
    machine.kill('SIGKILL')
    await gone
  }
  const close = async () => {
    await disconnect()
    await end()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await waitUp()
  } catch (thrown) {
    await close()
    throw thrown
  }

  return {
    name: options.name,
    share,
    exec: async (command, { mayFail = false, input = '', timeoutMs } = {}) => {
      const ran = await ssh(['root@127.0.0.1', '--', command], input, timeoutMs)
      if (ran.code === 0 || mayFail) return ran
      const said = ran.stderr.slice(-2000)
      if (ran.code !== lostCode && !ran.isLate)
        throw new Error(`On ${options.name}, "${command}" ended with ${ran.code}: ${said}`)
      const kernel = await ssh(['root@127.0.0.1', 'dmesg | tail -n 20; free -m'], '', 10_000)
      const state = ended()
        ? `the machine has ended (${machine.signalCode ?? machine.exitCode}): ${lastWords()}`
        : `its kernel says:\n${kernel.stdout || readFileSync(paths.log, 'utf8').slice(-2000)}`
      const how = ran.isLate ? 'did not end in time' : 'was killed or cut off'
      throw new Error(`On ${options.name}, "${command}" ${how}: ${said}; ${state}`)
    },
    forward: async (port) => {
      await ssh(['-O', 'forward', '-R', `127.0.0.1:${port}:127.0.0.1:${port}`, 'root@127.0.0.1'])
    },
    setCable: async (uplink, isPlugged) => {
      options.trunk?.setCable(options.name, uplink, isPlugged)
      await setLink(paths.qmp, `nic-uplink${uplink}`, isPlugged)
    },
    reboot: async () => {
      await ssh(['root@127.0.0.1', 'systemctl reboot'])
      await disconnect()
      // -no-reboot: the machine ends where it would begin anew.
      await new Promise<void>((resolve) => {
        if (ended()) resolve()
        else machine.once('exit', () => resolve())
      })
      machine = start()
      await waitUp()
    },
    kill: async () => {
      await disconnect()
      await end()
      machine = start()
      await waitUp()
    },
    console: () => readFileSync(paths.log, 'utf8'),
    close,
  }
}

function qemuArgs(
  { name, trunk, memoryMib = 2048, gpus = 2 }: HostOptions,
  image: HostImage,
  where: { share: string; overlay: string; qmp: string; log: string; sshPort: number },
): string[] {
  const mac = (nic: number) => {
    const digest = createHash('sha256').update(`${name}/${nic}`).digest('hex')
    return `02:1a:${[0, 2, 4, 6].map((at) => digest.slice(at, at + 2)).join(':')}`
  }
  const share = (path: string, tag: string, rest = '') => [
    ...['-virtfs', `local,path=${path},mount_tag=${tag},security_model=none,multidevs=remap${rest}`],
  ]
  const uplinks =
    trunk === undefined ? [] : [0, 1].map((uplink) => ({ uplink, tap: trunk.plug(name, uplink) }))
  return [
    ...['-name', `lab-${name}`, '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-M', 'q35', '-accel', 'tcg,thread=multi', '-smp', '2', '-cpu', 'max', '-m', String(memoryMib)],
    ...['-device', 'intel-iommu,intremap=on'],
    ...['-kernel', image.kernelPath, '-initrd', image.initrdPath],
    ...['-append', `${image.commandLine} ${emulated} systemd.hostname=${name}`],
    ...['-drive', `file=${where.overlay},if=virtio,format=qcow2,cache=unsafe`],
    ...['-serial', `file:${where.log}`, '-qmp', `unix:${where.qmp},server=on,wait=off`],
    ...['-netdev', `user,id=management,hostfwd=tcp:127.0.0.1:${where.sshPort}-:22`],
    ...['-device', `virtio-net-pci,netdev=management,mac=${mac(0)}`],
    ...uplinks.flatMap(({ uplink, tap }) => [
      ...['-netdev', `tap,id=uplink${uplink},ifname=${tap},script=no,downscript=no`],
      ...['-device', `virtio-net-pci,id=nic-uplink${uplink},netdev=uplink${uplink},mac=${mac(uplink + 1)}`],
    ]),
    ...Array.from({ length: gpus }, (_, index) => [
      ...['-device', `pcie-root-port,id=gpu-port${index},slot=${index + 1}`],
      ...['-device', `${index % 2 === 0 ? 'bochs-display' : 'secondary-vga'},bus=gpu-port${index}`],
    ]).flat(),
    ...share(repositoryRoot, 'berth', ',readonly=on'),
    ...share(where.share, 'share'),
  ]
}

function runProgram(file: string, args: readonly string[], input: string, timeoutMs: number): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    let [stdout, stderr] = ['', '']
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk
    })
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk
    })
    child.on('error', reject)
    // Not `close`: the connection that stays open for later commands holds the pipes.
    child.on('exit', (code) => {
      setImmediate(() => resolve({ code: code ?? lostCode, stdout, stderr, isLate: code === null }))
    })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}

function setLink(socketPath: string, name: string, up: boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(socketPath)
    const commands = [{ execute: 'qmp_capabilities' }, { execute: 'set_link', arguments: { name, up } }]
    socket.on('error', reject)
    socket.on('connect', () => socket.write(commands.map((one) => `${JSON.stringify(one)}\n`).join('')))
    let said = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk
      if ((said.match(/"return"/g) ?? []).length < commands.length) return
      socket.destroy()
      resolve()
    })
  })
}
