// The whole of what a hypervisor driver keeps, by libvirt of this machine.
import { describeDriver } from '../agent/drivers/hypervisor/driver-contract.ts'
import { libvirt } from '../agent/drivers/hypervisor/real-drivers.ts'
import { describeSerialPort } from '../agent/drivers/hypervisor/serial-port-contract.ts'

describeDriver(libvirt, 'whole')
describeSerialPort(libvirt, 'whole')
