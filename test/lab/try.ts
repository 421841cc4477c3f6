// node test/lab/try.ts 'COMMAND': boots a lab host, runs the command there, prints what it says, and takes it down.
import { bootHost } from './host.ts'

const command = process.argv.slice(2).join(' ')
if (command === '') {
  process.stderr.write("usage: node test/lab/try.ts 'COMMAND'\n")
  process.exit(2)
}
const say = (line: string) => process.stderr.write(`${line}\n`)
const beganMs = Date.now()
const host = await bootHost({ name: 'try', say })
say(`The host is up after ${((Date.now() - beganMs) / 1000).toFixed(1)} s.`)
try {
  const { code, stdout, stderr } = await host.exec(command, { mayFail: true, timeoutMs: 600_000 })
  process.stdout.write(stdout)
  process.stderr.write(stderr)
  process.exitCode = code
} finally {
  await host.close()
}
