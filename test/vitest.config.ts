import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));
/** A bench in the cluster that is to pass: it wants the machine for itself. */
const judged = 'test/cluster/example.test.ts';
const exclude = ['**/node_modules/**', 'dist/**', 'templates/project/**'];

/**
 * Two cores: what only computes goes side by side (`npm test -- --project unit` is the quick half). Then what goes the whole
 * way as a user does, two files at a time: it waits for load and faults most of the time, and what it asserts is what must
 * never happen, however slow. What watches engines closely comes after it, one file after another.
 */
export default defineConfig({
  root,
  test: {
    projects: [
      {
        root,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts', 'templates/**/*.test.ts', 'stacks/**/*.test.ts'],
          exclude: [...exclude, 'test/system/**', 'test/e2e/**', 'test/cluster/**'],
          maxWorkers: 2,
          testTimeout: 180_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        root,
        test: {
          name: 'system',
          include: ['test/system/**/*.test.ts'],
          exclude,
          maxWorkers: 2,
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        root,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude,
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        root,
        test: {
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          exclude: [...exclude, judged],
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 420_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 3 },
        },
      },
      {
        root,
        test: {
          name: 'cluster-alone',
          include: [judged],
          exclude,
          fileParallelism: false,
          maxWorkers: 1,
          testTimeout: 600_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 4 },
        },
      },
    ],
  },
});
