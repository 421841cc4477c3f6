import { ExecError, type Sysfs } from '../ports.ts'
import { listCells, readCellAttribute } from './fake-cells.ts'
import { FakeConfigSpace } from './fake-config-space.ts'
import { attributesOf, rootBusOf } from './fake-pci-attributes.ts'
import type { FakePciDevice, HostShape } from './shape.ts'

const pciRoot = 'sys/bus/pci'

/**
 * The kernel's attributes of one host, with the behaviour of PCI driver binding: a probe binds to driver_override or
 * to the device's own driver, unbinding needs the driver that has it, and any other write is refused.
 */
export class FakeSysfs implements Sysfs {
  readonly #attributes = new Map<string, string>()
  #shape: HostShape
  readonly #devices = new Map<
    string,
    FakePciDevice & { driver: string; override: string; config: FakeConfigSpace }
  >()

  constructor(shape: HostShape) {
    this.#shape = shape
    for (const [path, value] of Object.entries(shape.attributes)) this.#attributes.set(path, value)
    for (const device of shape.devices) this.plug(device)
  }

  /** As found by a scan of the bus: its own driver has it. */
  plug(device: FakePciDevice): void {
    const attributes = attributesOf(device)
    const config = new FakeConfigSpace({ ...device, resource: attributes['resource'] ?? '' })
    this.#devices.set(device.address, { ...device, driver: device.nativeDriver, override: '', config })
    for (const [name, value] of Object.entries(attributes)) {
      this.#attributes.set(`${pciRoot}/devices/${device.address}/${name}`, value)
    }
  }

  /** Memory is taken out or put in, in all cells alike. */
  resizeMemory(memoryMib: number): void {
    this.#shape = { ...this.#shape, memoryMib }
  }

  async read(path: string): Promise<string | undefined> {
    const device = this.#deviceOf(path)
    if (device && path.endsWith('/driver_override')) return device.override || '(null)'
    return this.#attributes.get(path) ?? readCellAttribute(this.#shape, path)
  }

  async list(path: string): Promise<readonly string[]> {
    if (path === `${pciRoot}/devices`) return [...this.#devices.keys()].sort()
    if (path === `${pciRoot}/drivers/vfio-pci`) return ['bind', 'module', 'new_id', 'unbind']
    const group = /^sys\/kernel\/iommu_groups\/([^/]+)\/devices$/.exec(path)?.[1]
    if (group !== undefined) {
      return [...this.#devices.values()]
        .filter((device) => device.iommuGroup === group)
        .map((device) => device.address)
        .sort()
    }
    const prefix = `${path}/`
    const names = new Set(listCells(this.#shape, path))
    for (const known of this.#attributes.keys()) {
      if (known.startsWith(prefix)) names.add(known.slice(prefix.length).split('/')[0] ?? '')
    }
    return [...names].sort()
  }

  async readLinkName(path: string): Promise<string | undefined> {
    const device = this.#deviceOf(path)
    if (device && path.endsWith('/driver')) return device.driver || undefined
    if (device && path.endsWith('/iommu_group')) return device.iommuGroup || undefined
    return undefined
  }

  async readLink(path: string): Promise<string | undefined> {
    const whole = this.#devices.get(path.slice(`${pciRoot}/devices/`.length))
    if (whole && path === `${pciRoot}/devices/${whole.address}`) {
      return ['../../../devices', rootBusOf(whole), ...(whole.bridges ?? []), whole.address].join('/')
    }
    const name = await this.readLinkName(path)
    if (name === undefined) return undefined
    // From below the device's real directory.
    const depth = 3 + (this.#deviceOf(path)?.bridges?.length ?? 0)
    return `${'../'.repeat(depth)}${path.endsWith('/driver') ? 'bus/pci/drivers' : 'kernel/iommu_groups'}/${name}`
  }

  async readBytes(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const device = this.#deviceOf(path)
    return device && path.endsWith('/config') ? device.config.bytes().subarray(0, maxBytes) : undefined
  }

  async write(path: string, value: string): Promise<void> {
    const device = this.#deviceOf(path)
    if (device && path === `${pciRoot}/devices/${device.address}/reset`) {
      if (!this.#attributes.get(`${pciRoot}/devices/${device.address}/reset_method`))
        throw notWritten('Inappropriate ioctl for device', path)
      if (value.trim() !== '1') throw refused('EINVAL', path)
      // What has fallen off the bus does not come back by it.
      return
    }
    if (device && path === `${pciRoot}/devices/${device.address}/driver_override`) {
      device.override = value.trim()
      return
    }
    if (device?.driver && path === `${pciRoot}/devices/${device.address}/driver/unbind`) {
      if (value.trim() !== device.address) throw refused('ENODEV', path)
      device.driver = ''
      return
    }
    if (path === `${pciRoot}/drivers_probe`) {
      const probed = this.#devices.get(value.trim())
      if (!probed) throw refused('ENODEV', path)
      // As the kernel does: a device that has a driver is left alone.
      if (!probed.driver) probed.driver = probed.override || probed.nativeDriver
      return
    }
    const unbound = new RegExp(`^${pciRoot}/drivers/([^/]+)/(bind|unbind)$`).exec(path)
    const target = this.#devices.get(value.trim())
    if (unbound && target) {
      if (unbound[2] === 'unbind' && target.driver === unbound[1]) target.driver = ''
      else if (unbound[2] === 'bind' && !target.driver) target.driver = unbound[1] ?? ''
      else throw refused('ENODEV', path)
      return
    }
    throw refused('EACCES', path)
  }

  /** As a device that is pulled out, or falls off the bus: gone, or there and answering nothing. */
  lose(address: string, how: 'pulled' | 'silent'): void {
    if (how === 'silent') this.#devices.get(address)?.config.fallSilent()
    else this.#devices.delete(address)
    if (how === 'silent') return
    for (const path of this.#attributes.keys()) {
      if (path.startsWith(`${pciRoot}/devices/${address}/`)) this.#attributes.delete(path)
    }
  }

  /** The kernel knows no way to reset it from now on. */
  forbidReset(address: string): void {
    this.#attributes.set(`${pciRoot}/devices/${address}/reset_method`, '')
  }

  allowReset(address: string): void {
    this.#attributes.set(`${pciRoot}/devices/${address}/reset_method`, 'flr bus')
  }

  /** Which driver has each device, for comparing a host before and after. */
  drivers(): Record<string, string> {
    return Object.fromEntries([...this.#devices.values()].map((device) => [device.address, device.driver]))
  }

  #deviceOf(path: string) {
    const address = /^sys\/bus\/pci\/devices\/([^/]+)\//.exec(path)?.[1]
    return address === undefined ? undefined : this.#devices.get(address)
  }
}

function refused(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: write to ${path}`), { code })
}

/** As the program says that writes for the agent. */
const notWritten = (why: string, path: string) =>
  new ExecError({
    kind: 'exit',
    file: 'tee',
    args: [path],
    code: 1,
    stderr: `tee: /${path}: ${why}`,
    how: 'exited with 1',
  })
