import type { GuestHandle, HypervisorDriver } from './port.ts'

/** How a host starts its guests: QEMU as the agent's own, or libvirt's. */
export type HypervisorName = 'qemu' | 'libvirt'

/** Starts guests as its host's settings say. One that runs stays with the driver that has started it, whatever they say since. */
export function createEitherDriver(
  drivers: Readonly<Record<HypervisorName, HypervisorDriver>>,
  chosen: HypervisorName,
): HypervisorDriver {
  const { qemu, libvirt } = drivers
  const driverOf = ({ domain }: GuestHandle) => (domain === undefined ? qemu : libvirt)
  return {
    start: (plan) => drivers[chosen].start(plan),
    find: async (place) => (await qemu.find(place)) ?? (await libvirt.find(place)),
    status: (guest) => driverOf(guest).status(guest),
    watch: (guest, onEnd) => driverOf(guest).watch(guest, onEnd),
    powerDown: (guest) => driverOf(guest).powerDown(guest),
    reset: (guest) => driverOf(guest).reset(guest),
    resume: (guest) => driverOf(guest).resume(guest),
    saveMemory: (guest, memoryPath) => driverOf(guest).saveMemory(guest, memoryPath),
    plugDisk: (guest, disk) => driverOf(guest).plugDisk(guest, disk),
    unplugDisk: (guest, disk) => driverOf(guest).unplugDisk(guest, disk),
    resizeDisk: (guest, disk) => driverOf(guest).resizeDisk(guest, disk),
    readSerial: (guest, maxBytes) => driverOf(guest).readSerial(guest, maxBytes),
    openSerial: (guest, options) => driverOf(guest).openSerial(guest, options),
    closeSerial: (guest) => driverOf(guest).closeSerial(guest),
    kill: (guest) => driverOf(guest).kill(guest),
  }
}
