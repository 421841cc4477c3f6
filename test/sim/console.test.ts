// A console from the operation to the guest's serial port, over the real stream and a simulated host.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { projectId } from '../../proto/ids.ts'
import { type AttachedConsole, type ConsoleEnd, Consoles } from '../../scheduler/operations/consoles.ts'
import { readSerial } from '../../scheduler/operations/read-serial.ts'
import { type SmallRegion, startSmallRegion } from './small-region.ts'

const project = projectId('project-x9y8z7')
let region: SmallRegion
let consoles: Consoles
beforeAll(async () => {
  region = await startSmallRegion()
  consoles = new Consoles(region.ports)
})
afterAll(async () => {
  consoles.close()
  await region.close()
})

async function runningGuest() {
  const { uid } = await region.create()
  await region.until(uid, (one) => one?.status === 'RUNNING')
  const guest = [...region.host.guests.values()].at(-1)
  if (!guest) throw new Error('There is no guest.')
  return { uid, guest }
}

async function look(uid: string) {
  const outcome = await consoles.attach({ project, idOrUid: uid })
  if (outcome.kind !== 'done') throw new Error(JSON.stringify(outcome))
  const attached: AttachedConsole = outcome.value
  const seen = { text: '', notes: [] as string[], end: undefined as ConsoleEnd | undefined }
  attached.show({
    show: (bytes) => {
      seen.text += Buffer.from(bytes).toString()
    },
    note: (sentence) => void seen.notes.push(sentence),
    end: (end) => {
      seen.end = end
    },
  })
  return { seen, leave: attached.leave, type: (text: string) => attached.type(Buffer.from(text)) }
}

const recorded = async (uid: string) => {
  const outcome = await readSerial({ project, idOrUid: uid, port: 1, start: 0n }, region.ports)
  return outcome.kind === 'done' ? outcome.value.contents : JSON.stringify(outcome)
}

it('shows history first, then what comes, to all who look, and all of it is recorded', async () => {
  const { uid, guest } = await runningGuest()
  const first = await look(uid)
  await expect.poll(() => first.seen.text).toMatch(/BERTH-GUEST-READY\r\n$/)
  guest.serial.write('login: ')
  await expect.poll(() => first.seen.text).toMatch(/login: $/)
  const second = await look(uid)
  expect(second.seen.text).toBe(first.seen.text)
  await second.type('root\r')
  await expect.poll(() => first.seen.text).toMatch(/login: root\r$/)
  expect(guest.serial.typed).toBe('root\r')
  expect(second.seen.text).toBe(first.seen.text)
  expect(await recorded(uid)).toBe(first.seen.text)

  first.leave()
  guest.serial.write('still here\r\n')
  await expect.poll(() => second.seen.text).toMatch(/still here\r\n$/)
  second.leave()
  await expect.poll(() => guest.serial.isWatched).toBe(false)
  // The ring has it again, and nothing is twice.
  guest.serial.write('nobody looks\r\n')
  expect(await recorded(uid)).toBe(`${second.seen.text}nobody looks\r\n`)
  expect(region.host.files.paths().filter((path) => path.includes('/consoles/'))).toEqual([])
})

it('goes on when the agent is started again', async () => {
  const { uid, guest } = await runningGuest()
  const { seen, type, leave } = await look(uid)
  await expect.poll(() => seen.text).toMatch(/READY\r\n$/)
  await region.restartAgent()
  await expect.poll(() => seen.notes.at(-1)).toBe('The console goes on.')
  expect(seen.notes[0]).toMatch(/^Contact with the host is interrupted/)
  const before = seen.text
  await type('again')
  await expect.poll(() => seen.text).toBe(`${before}again`)
  leave()
  await expect.poll(() => guest.serial.isWatched).toBe(false)
})

it('misses nothing while an agent is started again that has let go of it', async () => {
  const { uid, guest } = await runningGuest()
  const { seen, leave } = await look(uid)
  await expect.poll(() => seen.text).toMatch(/READY\r\n$/)
  await region.stopAgent()
  guest.serial.write('meanwhile\r\n')
  await region.restartAgent()
  await expect.poll(() => seen.text).toMatch(/READY\r\nmeanwhile\r\n$/)
  leave()
})

it('is over when the guest stops, and is not there before it starts', async () => {
  const { uid } = await runningGuest()
  const { seen } = await look(uid)
  await region.change('stop', uid)
  await expect.poll(() => seen.end).toEqual({ kind: 'ended', message: 'The guest has stopped.' })
  await region.until(uid, (one) => one?.status === 'STOPPED')
  expect(await consoles.attach({ project, idOrUid: uid })).toMatchObject({
    problems: [{ reason: 'WRONG_STATE' }],
  })
})

it('of a host that is away is not there at the moment', async () => {
  const { uid } = await runningGuest()
  await region.stopAgent()
  expect(await consoles.attach({ project, idOrUid: uid })).toMatchObject({
    problems: [{ reason: 'CONSOLE_UNAVAILABLE' }],
  })
})
