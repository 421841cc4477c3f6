// Makes dist/agent: the agent's programs as its unit runs them. Node neither strips types from them nor reads hundreds of
// files, and takes half the memory.
import { fileURLToPath } from 'node:url'
import { version } from '../lib/version.ts'
import { bundleAgent } from './packages/bundles.ts'

const folder = fileURLToPath(new URL('../dist/agent', import.meta.url))
await bundleAgent({ folder, version, sourcemap: true })
