// Owns the life of the devices that guests get whole: who has one, what stands between it and the next guest, and why one is
// kept from all of them. In: guests that come and go, operators' commands. Out: observations, each journalled first. A device
// is free again only once it was reset and looked at; no fact and no silence frees one.
import { create } from '@bufbuild/protobuf'
import type { Clock } from '../../lib/clock.ts'
import { describeCauses, type Logger } from '../../lib/log.ts'
import { createTurns } from '../../lib/turns.ts'
import { type DeviceObservation, DeviceState } from '../../proto/gen/berth/agent/v1/device_pb.ts'
import type { Command } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import {
  DeviceHealthSchema,
  type DeviceRecord,
  FormerDriverSchema,
} from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { type PciAddress, pciAddress } from '../../proto/ids.ts'
import { type PassthroughDriver, PassthroughError } from '../drivers/passthrough/port.ts'
import type { Processes } from '../host/ports.ts'
import type { Journal } from '../journal/journal.ts'
import { DeviceBook } from './device-book.ts'
import { forgotten, newDeviceRecord } from './device-record.ts'
import type { Fabric } from './fabric.ts'
import { giveBack } from './give-back.ts'
import { takeWord } from './operators-word.ts'

export interface DevicesOptions {
  readonly passthrough: PassthroughDriver
  /** Of NVSwitches that join all of the host's GPUs; absent where none do. */
  readonly fabric?: Fabric | undefined
  readonly journal: Journal
  readonly processes: Processes
  readonly clock: Clock
  readonly log: Logger
}

export interface DeviceUser {
  readonly instanceUid: string
  readonly project: string
  /** Of its QEMU. */
  readonly ownerUid: number
}

/**
 * How long a guest that ends waits for its devices: what takes longer, such as scrubbing a large memory, goes on without it.
 * The device is not free before it is done, whoever has let go of it.
 */
const patienceMs = 20_000
const retryMs = 10_000

/** Nothing was changed on the host: the device is as good as before. */
const isHarmless = (thrown: unknown): thrown is PassthroughError =>
  thrown instanceof PassthroughError &&
  ['DEVICE_MISSING', 'DEVICE_HELD', 'NO_IOMMU', 'NO_VFIO', 'IOMMU_GROUP_SHARED'].includes(thrown.reason)

export class Devices {
  readonly #options: DevicesOptions
  readonly #book: DeviceBook
  /** What is done to a device goes one after the other. */
  readonly #turns = createTurns()
  readonly #retries = new Map<string, () => void>()

  constructor(options: DevicesOptions) {
    this.#options = options
    this.#book = new DeviceBook(options)
  }

  /** undefined where nothing joins GPUs; what becomes of partitions is told of their devices with the next look. */
  get fabric(): Fabric | undefined {
    return this.#options.fabric
  }

  /** What an earlier agent was about to give back goes on; what guests have, their instances ask for. */
  async recover(): Promise<void> {
    await this.fabric?.recover()
    for (const { state, address } of await this.#book.load()) {
      const isOnItsWay =
        state === DeviceState.RESETTING || state === DeviceState.SCRUBBING || state === DeviceState.VERIFYING
      if (!isOnItsWay) continue
      await this.#renewHealth(address)
      this.#giveBackInTime(address)
    }
    await this.look()
  }

  /** From the journal of an agent that kept no records of devices. */
  async adopt(address: PciAddress, user: Omit<DeviceUser, 'ownerUid'>, formerDriver: string): Promise<void> {
    if (this.#book.has(address)) return
    const bootId = await this.#options.processes.bootId()
    await this.#book.change(address, () => ({
      ...newDeviceRecord(address, this.#options.clock.nowMs()),
      ...{ ...user, state: DeviceState.IN_USE, bootId },
      formerDriver: create(FormerDriverSchema, { address, driver: formerDriver }),
    }))
  }

  /** Bound to vfio-pci and openable by the guest's user. May be repeated. @throws PassthroughError */
  async bind(address: PciAddress, user: DeviceUser): Promise<void> {
    await this.#turns.alone(address, async () => {
      const known = this.#book.recordOf(address)
      requireFor(known, user)
      const isNoted = known.state === DeviceState.IN_USE || known.state === DeviceState.BINDING
      // By an earlier agent under this kernel: how it was before the guest is known.
      if (!isNoted || known.bootId !== (await this.#options.processes.bootId())) {
        await this.#options.passthrough.requireBindable(address, user.ownerUid)
        await this.#note(address, user)
      }
      await this.#bindNoted(address, user)
    })
  }

  /** Resolves once it is free or quarantined, or takes long; nothing where the instance doesn't have it. */
  async release(address: PciAddress, instanceUid: string): Promise<void> {
    if (this.#book.recordOf(address).instanceUid !== instanceUid) return
    const done = this.#turns.alone(address, () => this.#giveBack(address))
    const patience = new AbortController()
    const waited = this.#options.clock.sleep(patienceMs, patience.signal).catch(() => {})
    await Promise.race([done, waited])
    patience.abort()
    // Where it takes longer, nobody else hears of what becomes of it.
    done.catch((err: unknown) => this.#tryAgain(address, err))
  }

  /** Devices that come and go while nobody asks, and what joins them. */
  async look(): Promise<void> {
    await this.fabric?.look()
    if (this.fabric) this.#book.setTroubles(this.fabric.addresses(), this.fabric.troubles())
    for (const { address } of this.#book.records()) {
      // What can't be told is as it was.
      const isPresent = await this.#options.passthrough.isPresent(pciAddress(address)).catch(() => undefined)
      if (isPresent !== undefined) this.#book.setPresent(address, isPresent)
    }
  }

  accept(command: Command) {
    const { passthrough, clock, log } = this.#options
    const context = {
      ...{ book: this.#book, passthrough, nowMs: clock.nowMs },
      giveBackInTime: (address: string) => this.#giveBackInTime(address),
      later: (address: string, work: () => Promise<void>) => {
        this.#turns
          .alone(address, work)
          .catch((err: unknown) =>
            log.error({ err, address }, "An operator's word could not be carried out."),
          )
      },
    }
    return takeWord(context, command)
  }

  observations(): readonly DeviceObservation[] {
    return this.#book.observations()
  }

  onObservation(listener: (observation: DeviceObservation) => void): () => void {
    return this.#book.onObservation(listener)
  }

  close(): void {
    for (const cancel of this.#retries.values()) cancel()
  }

  /** Before anything is unbound: after a crash nobody else would know. */
  async #note(address: PciAddress, user: DeviceUser): Promise<void> {
    const { passthrough, processes } = this.#options
    const driver = await passthrough.readDriver(address)
    const health = await passthrough.readHealth(address)
    await this.#book.enter(address, DeviceState.BINDING, {
      ...{ instanceUid: user.instanceUid, project: user.project },
      formerDriver: create(FormerDriverSchema, { address, driver }),
      health: create(DeviceHealthSchema, { ...health }),
      bootId: await processes.bootId(),
    })
  }

  async #bindNoted(address: PciAddress, user: DeviceUser): Promise<void> {
    const { passthrough, log } = this.#options
    const isNew = this.#book.recordOf(address).state === DeviceState.BINDING
    try {
      await passthrough.ensureBound(address, user.ownerUid)
      if (isNew) await this.#book.enter(address, DeviceState.IN_USE)
    } catch (thrown) {
      log.error({ err: thrown, address, ...user }, 'A device could not be prepared for a guest.')
      const why = { message: describeCauses(thrown) }
      if (isHarmless(thrown)) {
        const { reason } = thrown
        if (isNew) await this.#book.enter(address, DeviceState.FREE, { ...forgotten, ...why, reason })
      } else if (thrown instanceof PassthroughError) {
        await this.#book.enter(address, DeviceState.QUARANTINED, { ...why, reason: thrown.reason })
      }
      // Anything else: its instance gives it back.
      throw thrown
    }
  }

  #giveBack(address: string): Promise<void> {
    const { passthrough, clock } = this.#options
    return giveBack({
      ...{ passthrough, nowMs: clock.nowMs },
      record: () => this.#book.recordOf(address),
      enter: (state, change) => this.#book.enter(address, state, change),
    })
  }

  #giveBackInTime(address: string): void {
    this.#turns
      .alone(address, () => this.#giveBack(address))
      .catch((err: unknown) => this.#tryAgain(address, err))
  }

  /** As where the journal can't be written: the device goes nowhere meanwhile. */
  #tryAgain(address: string, err: unknown): void {
    const { clock, log } = this.#options
    log.error({ err, address, retryMs }, 'A device could not be given back; it is tried again.')
    this.#retries.get(address)?.()
    this.#retries.set(
      address,
      clock.after(retryMs, () => this.#giveBackInTime(address)),
    )
  }

  /** The firmware may have put its windows elsewhere at the last boot. */
  async #renewHealth(address: string): Promise<void> {
    const { passthrough, processes } = this.#options
    const bootId = await processes.bootId()
    if (this.#book.recordOf(address).bootId === bootId) return
    if (!(await passthrough.isPresent(pciAddress(address)))) return
    const health = create(DeviceHealthSchema, { ...(await passthrough.readHealth(pciAddress(address))) })
    await this.#book.change(address, (before) => ({ ...before, bootId, health }))
  }
}

function requireFor({ address, state, message, instanceUid }: DeviceRecord, user: DeviceUser): void {
  if (state === DeviceState.QUARANTINED) {
    throw new PassthroughError('DEVICE_QUARANTINED', `Device ${address} is quarantined: ${message}`)
  }
  if (state === DeviceState.FREE || instanceUid === user.instanceUid) return
  throw new PassthroughError('DEVICE_BUSY', `Device ${address} is instance ${instanceUid}'s.`)
}
