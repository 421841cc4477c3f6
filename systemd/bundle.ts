// Makes dist/agent: the agent's programs as plain JavaScript, each with all that it needs in one file. Node neither strips
// types from them nor reads hundreds of files, and takes half the memory. In: the sources. Out: files for the agent's unit.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'
import { ownProgram, ownPrograms } from '../agent/host/own-programs.ts'

const folder = fileURLToPath(new URL('../dist/agent', import.meta.url))
rmSync(folder, { recursive: true, force: true })
for (const name of ownPrograms) {
  await build({
    input: fileURLToPath(ownProgram(name)),
    platform: 'node',
    logLevel: 'warn',
    output: { file: join(folder, `${name}.js`), format: 'esm', sourcemap: true, codeSplitting: false },
  })
}
