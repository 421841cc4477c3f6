// Both hypervisor drivers on this machine: the default one whole, libvirt's in short. The whole of that is in the lab's matrix.
import { describeDriver } from './driver-contract.ts'
import { libvirt, qemu } from './real-drivers.ts'
import { describeSerialPort } from './serial-port-contract.ts'

describeDriver(qemu, 'whole')
describeDriver(libvirt, 'smoke')
describeSerialPort(qemu, 'whole')
describeSerialPort(libvirt, 'smoke')
