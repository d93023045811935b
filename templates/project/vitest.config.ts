import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // .dsp/base holds pristine copies of the same tests.
    include: ['*.test.ts', 'kit/**/*.test.ts', 'parts/**/*.test.ts', 'patterns/**/*.test.ts', 'stacks/**/*.test.ts'],
    exclude: ['**/node_modules/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
