import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Fast tests first; `npm run test:e2e` selects the ones that start engines. Two cores: few workers. */
export default defineConfig({
  root,
  test: {
    include: ['test/**/*.test.ts', 'templates/**/*.test.ts', 'stacks/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'dist/**', 'templates/project/**'],
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
