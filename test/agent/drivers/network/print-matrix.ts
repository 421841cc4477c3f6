// npm run frames: sends each kind of frame with the filters off and on, and prints where
// it arrived, beside what libvirt's clean-traffic lets through where libvirt is installed.
import Table from 'cli-table3'
import { underCleanTraffic, whyNoLibvirt } from './clean-traffic.ts'
import { forgedKinds, honestKinds, ofStrangers, sendAll, sendTo } from './matrix.ts'
import { castOf, makeTwoHosts } from './two-hosts.ts'

const lab = await makeTwoHosts([5, 6])
try {
  const { forger, neighbour } = lab
  const cast = castOf(forger, neighbour)
  await lab.open()
  const open = await sendAll(lab)
  const withoutLibvirt = whyNoLibvirt()
  const libvirt =
    withoutLibvirt === undefined
      ? await underCleanTraffic(forger.port, () => sendTo(neighbour, forger))
      : undefined
  await lab.filter()
  const filtered = await sendAll(lab)

  const columns = [
    ['one host, off', open.oneHost],
    ['on', filtered.oneHost],
    ...(libvirt === undefined ? [] : [['clean-traffic', libvirt] as const]),
    ['across hosts, off', open.acrossHosts],
    ['on', filtered.acrossHosts],
    ['uplink, off', open.fromUplink],
    ['on', filtered.fromUplink],
  ] as const
  for (const [title, kinds] of [
    ['honest', honestKinds(cast)],
    ['forged', forgedKinds(cast)],
  ] as const) {
    const table = new Table({
      head: [title, ...columns.map(([name]) => name)],
      style: { head: [], border: [] },
    })
    for (const [what] of kinds) {
      table.push([what, ...columns.map(([, arrived]) => (arrived.has(what) ? 'arrives' : '-'))])
    }
    const counts = columns.map(([, arrived]) => kinds.filter(([what]) => arrived.has(what)).length)
    table.push([`arrive, of ${kinds.length}`, ...counts.map(String)])
    process.stdout.write(`${table.toString()}\n\n`)
  }
  process.stdout.write(
    `From the uplink ${ofStrangers.size} kinds come in that lie about nobody here: at the taps they end.\n`,
  )
  if (withoutLibvirt !== undefined) {
    process.stdout.write(`libvirt's clean-traffic is not compared: that needs ${withoutLibvirt}.\n`)
  }
} finally {
  await lab.remove()
}
