import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

// unit: no root, no programs beyond Node, seconds. process: Berth's own programs, on loopback and in folders of their own.
// system: one capability on the real kernel or under real QEMU. e2e: the whole of Berth with a real guest. lab: virtual
// hypervisors. Of the last three one file runs at a time: those of system and e2e compare what this machine's network is
// before and after, so whatever else runs beside them leaves that alone (`test/run.ts`).
const processTests = ['cli', 'docs', 'scheduler', 'sim', 'systemd'].map(
  (folder) => `test/${folder}/**/*.system.test.ts`,
)

// Programs that tests start again and again, and the threads of stores, find their sources stripped and compiled.
const env = { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/node') }

// The limit ends a broken test; a machine that does many things at once is slow.
const patience = { poll: { timeout: 15_000 } }

export default defineConfig({
  test: {
    // Under 15 ms of TypeScript stripping per file: nothing is built for tests.
    projects: [
      {
        test: {
          name: 'unit',
          env,
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.system.test.ts', 'test/e2e/**', 'test/lab/**'],
          // Files share a process and its modules: they own no globals, and loading everything anew costs twice the time.
          isolate: false,
          maxWorkers: availableParallelism(),
          testTimeout: 30_000,
          hookTimeout: 60_000,
          expect: patience,
        },
      },
      {
        test: {
          name: 'process',
          env,
          include: processTests,
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 300_000,
          expect: patience,
        },
      },
      {
        test: {
          name: 'system',
          env,
          include: ['test/**/*.system.test.ts'],
          exclude: processTests,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
          expect: patience,
        },
      },
      {
        test: {
          name: 'e2e',
          env,
          include: ['test/e2e/**/*.test.ts'],
          // A whole distribution for each: in `npm run test:lab`.
          exclude:
            process.env['BERTH_LAB'] === 'full'
              ? []
              : ['test/e2e/google-agent.test.ts', 'test/e2e/flavours.test.ts'],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          expect: patience,
        },
      },
      {
        test: {
          name: 'lab',
          env,
          include: ['test/lab/**/*.test.ts'],
          // All of them in `npm run test:lab`.
          exclude: process.env['BERTH_LAB'] === 'full' ? [] : ['test/lab/**/*.matrix.test.ts'],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 600_000,
          expect: patience,
        },
      },
    ],
  },
})
