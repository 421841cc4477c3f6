// A guest that asks for its metadata again and again: run inside its namespace with an AskPlan as the argument. It ends
// after `count` requests or with its standard input, and prints a Tally.
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'

export interface AskPlan {
  readonly count: number
  readonly atOnce: number
  /** As fast as answers come where it is not given. */
  readonly perSecond?: number
  /** When to give an answer up; long where it is not given, so that a busy machine answers in time. */
  readonly timeoutMs?: number
  /** The source address, where it is not the one that the kernel chooses. */
  readonly from?: string
  /** Whom the requests claim to come from or to be for, in every word that servers have believed. */
  readonly posesAs?: string
}

/** How often each answer came: status and body, or why there was none. */
export type Tally = Readonly<Record<string, number>>

const plan = JSON.parse(process.argv[2] ?? '') as AskPlan
const agent = new Agent({ keepAlive: true, maxSockets: plan.atOnce })
const tally: Record<string, number> = {}
let left = plan.count
process.stdin.resume().once('end', () => {
  left = 0
})

await Promise.all(Array.from({ length: plan.atOnce }, askOnAndOn))
agent.destroy()
process.stdin.destroy()
process.stdout.write(JSON.stringify(tally))

async function askOnAndOn(): Promise<void> {
  while (left > 0) {
    left -= 1
    const answer = await ask(left)
    tally[answer] = (tally[answer] ?? 0) + 1
    if (plan.perSecond !== undefined) await sleep((1000 * plan.atOnce) / plan.perSecond)
  }
}

function ask(number: number): Promise<string> {
  const { posesAs, from, timeoutMs = 60_000 } = plan
  const path = number % 2 === 0 ? '/meta-data' : '/user-data'
  return new Promise((resolve) => {
    const asking = request({
      host: '169.254.169.254',
      path: posesAs !== undefined && number % 5 === 0 ? `http://${posesAs}${path}` : path,
      headers: posesAs === undefined ? {} : forgedHeaders(posesAs, number),
      ...(from !== undefined && { localAddress: from }),
      agent,
    })
    // For the whole of it: a connection that nobody takes has no idle time yet.
    const timer = setTimeout(() => asking.destroy(new Error('no answer')), timeoutMs)
    asking.once('response', (response) => {
      const answered = (body: string) => {
        clearTimeout(timer)
        resolve(response.statusCode === 200 ? `200 ${body}` : String(response.statusCode))
      }
      text(response).then(answered, () => asking.destroy())
    })
    asking.once('error', (error) => {
      clearTimeout(timer)
      resolve(
        error.message === 'no answer'
          ? error.message
          : ((error as NodeJS.ErrnoException).code ?? error.message),
      )
    })
    asking.end()
  })
}

function forgedHeaders(address: string, number: number): Record<string, string> {
  const all = {
    'x-forwarded-for': `${address}, 10.77.0.2`,
    forwarded: `for=${address};host=${address}`,
    'x-real-ip': address,
    'x-client-ip': address,
    'client-ip': address,
    'true-client-ip': address,
    'x-forwarded-host': address,
    'x-original-url': `http://${address}/meta-data`,
    via: `1.1 ${address}`,
  }
  const host =
    ['169.254.169.254', address, 'metadata.google.internal', `guest-${number}.lab.internal`][number % 4] ?? ''
  return { ...Object.fromEntries(Object.entries(all).filter((_, at) => (number >> at) % 2 === 0)), host }
}
