// A host's agent without a host: it journals commands in memory, takes each as carried out at once, and says so. Strict
// where the contract is: sequences must be gapless, epochs never fall.
import { create } from '@bufbuild/protobuf'
import type {
  AgentSide,
  AttributesOutcome,
  ConsoleOutcome,
  SerialOutcome,
  SerialRange,
} from '../../../agent/stream/ports.ts'
import {
  type HostFacts,
  HostFactsSchema,
  PciDeviceSchema,
} from '../../../proto/gen/berth/agent/v1/host_pb.ts'
import {
  DesiredState,
  type InstanceObservation,
  InstanceObservationSchema,
  InstancePhase,
} from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { NetworkMembers } from '../../../proto/gen/berth/agent/v1/network_pb.ts'
import { type Command, CommandOutcome } from '../../../proto/gen/berth/agent/v1/session_pb.ts'

export type FakeSide = ReturnType<typeof createFakeSide>

export function createFakeSide(
  hostId: string,
  options: { zone?: string; journalUuid?: string; bootId?: string } = {},
) {
  const known = new Map<string, InstanceObservation>()
  const listeners = new Set<(observation: InstanceObservation) => void>()
  const factsListeners = new Set<(facts: HostFacts) => void>()
  const accepted: Command[] = []
  const durable: InstanceObservation[] = []
  const welcomes: number[] = []
  const asked: SerialRange[] = []
  const told: NetworkMembers[] = []
  let epoch = 0
  let lastCommandSequence = 0n

  const observe = (observation: InstanceObservation) => {
    known.set(observation.uid, observation)
    for (const listener of listeners) listener(observation)
  }

  /** What the next commands and questions are answered with. */
  const answers: {
    outcome: CommandOutcome
    carriesOut: boolean
    serial: SerialOutcome
    attributes: AttributesOutcome
    console: ConsoleOutcome
  } = {
    outcome: CommandOutcome.ACCEPTED,
    carriesOut: true,
    serial: { kind: 'unavailable', reason: 'NO_SUCH_INSTANCE', message: 'It is not here.' },
    attributes: { kind: 'unavailable', reason: 'NO_SUCH_INSTANCE', message: 'It is not here.' },
    console: { kind: 'unavailable', reason: 'NOT_RUNNING', message: 'It does not run.' },
  }

  const side: AgentSide = {
    hostId,
    zone: options.zone ?? 'us1-a',
    agentVersion: '0.1.0',
    journalUuid: options.journalUuid ?? `journal-of-${hostId}`,
    bootId: async () => options.bootId ?? 'boot-1',
    facts: async () =>
      create(HostFactsSchema, {
        ...{ hostname: hostId, architecture: 'x86_64', cpus: 16, allocatableVcpus: 16 },
        ...{ allocatableMemoryMib: 65_536, allocatableDiskGb: 1000 },
        devices: [
          create(PciDeviceSchema, {
            address: '0000:3b:00.0',
            // A root port, and a switch: its port to the host, and the one that the device is at.
            bridges: ['0000:37:01.0', '0000:38:00.0', '0000:39:04.0'],
            vendorId: '10de',
            deviceId: '2330',
            numaNode: 0,
          }),
          create(PciDeviceSchema, {
            address: '0000:02:00.0',
            vendorId: '1a03',
            deviceId: '2000',
            numaNode: -1,
          }),
        ],
      }),
    onFacts: (listener) => {
      factsListeners.add(listener)
      return () => factsListeners.delete(listener)
    },
    position: () => ({ epoch, lastCommandSequence }),
    welcomed: async (welcomedEpoch: number) => {
      if (welcomedEpoch < epoch) throw new Error(`Epoch ${welcomedEpoch} is lower than ${epoch}.`)
      epoch = welcomedEpoch
      welcomes.push(welcomedEpoch)
    },
    accept: async (command: Command) => {
      const { outcome, carriesOut } = answers
      if (command.sequence > lastCommandSequence + 1n) {
        throw new Error(`Command ${command.sequence} follows ${lastCommandSequence}.`)
      }
      accepted.push(command)
      if (outcome !== CommandOutcome.ACCEPTED) return { outcome, message: 'as the test says' }
      if (command.sequence > lastCommandSequence) lastCommandSequence = command.sequence
      if (carriesOut) observe(observationOf(command))
      return { outcome, message: '' }
    },
    takeMembers: async (list: NetworkMembers) => void told.push(list),
    observations: () => [...known.values()],
    onObservation: (listener: (observation: InstanceObservation) => void) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    reported: (observation: InstanceObservation) => {
      durable.push(observation)
      const isTombstone = observation.phase === InstancePhase.ABSENT
      if (isTombstone && known.get(observation.uid) === observation) known.delete(observation.uid)
    },
    readSerial: async (range: SerialRange): Promise<SerialOutcome> => {
      asked.push(range)
      return answers.serial
    },
    readGuestAttributes: async () => answers.attributes,
    openConsole: async () => answers.console,
  }
  const changeFacts = (facts: HostFacts) => {
    for (const listener of factsListeners) listener(facts)
  }
  return { side, answers, accepted, durable, welcomes, asked, told, known, observe, changeFacts, listeners }
}

function observationOf({ uid, generation, epoch, body, requestId }: Command): InstanceObservation {
  const isState = body.case === 'ensureInstance' || body.case === 'ensureDisk'
  const isAbsent = isState && body.value.desiredState === DesiredState.ABSENT
  return create(InstanceObservationSchema, {
    ...{ uid, generation, epoch, requestId },
    phase: isAbsent ? InstancePhase.ABSENT : InstancePhase.RUNNING,
    released: isAbsent,
    settled: true,
    reason: isAbsent ? 'REMOVED' : 'STARTED',
    message: isAbsent ? 'Removed.' : 'The vCPUs run.',
  })
}
