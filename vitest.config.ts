import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

// unit: no root, no programs beyond Node, seconds. process: Berth's own programs, on loopback and in folders of their own.
// system: one capability on the real kernel or under real QEMU. e2e: the whole of Berth with a real guest. lab: virtual
// hypervisors. The last three take the machine for themselves, one file at a time.
const processTests = ['cli', 'docs', 'scheduler', 'sim', 'systemd'].map(
  (folder) => `test/${folder}/**/*.system.test.ts`,
)

export default defineConfig({
  test: {
    // Under 15 ms of TypeScript stripping per file: nothing is built for tests.
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.system.test.ts', 'test/e2e/**', 'test/lab/**'],
          // Files share a process and its modules: they own no globals, and loading everything anew costs twice the time.
          isolate: false,
          maxWorkers: availableParallelism(),
          testTimeout: 30_000,
          hookTimeout: 60_000,
          // The limit ends a broken test; a machine that does many things at once is slow.
          expect: { poll: { timeout: 15_000 } },
        },
      },
      {
        test: {
          name: 'process',
          include: processTests,
          maxWorkers: 2,
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'system',
          include: ['test/**/*.system.test.ts'],
          exclude: processTests,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          // A whole distribution for each: in `npm run test:lab`.
          exclude:
            process.env['BERTH_LAB'] === 'full'
              ? []
              : ['test/e2e/google-agent.test.ts', 'test/e2e/flavours.test.ts'],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.ts'],
          // All of them in `npm run test:lab`.
          exclude: process.env['BERTH_LAB'] === 'full' ? [] : ['test/lab/**/*.matrix.test.ts'],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 600_000,
        },
      },
    ],
  },
})
