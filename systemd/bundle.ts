// Makes dist/agent: the agent's programs as its unit runs them. Node neither strips types from them nor reads hundreds of
// files, and takes half the memory.
import { fileURLToPath } from 'node:url'
import { bundleAgent } from './packages/bundles.ts'

await bundleAgent({ folder: fileURLToPath(new URL('../dist/agent', import.meta.url)), sourcemap: true })
