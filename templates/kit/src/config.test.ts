import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { ConfigError, readConfig } from './config.ts';
import { kvFromEnv } from './kv.ts';

const schema = z.object({ PORT: z.coerce.number().int(), NAME: z.string(), SIZE: z.coerce.number().default(3) });

function problemsOf(work: () => unknown): readonly string[] {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('readConfig', () => {
  it('reads types, and takes an empty variable for one that is not set', () => {
    expect(readConfig(schema, { PORT: '80', NAME: 'a', SIZE: '', OTHER: 'x' })).toEqual({
      PORT: 80,
      NAME: 'a',
      SIZE: 3,
    });
  });

  it('names every problem at once, without values', () => {
    const problems = problemsOf(() => readConfig(schema, { PORT: 'secret', NAME: '' }));
    expect(problems).toHaveLength(2);
    expect(problems[0]).toMatch(/^PORT: /);
    expect(problems[1]).toMatch(/^NAME: /);
    expect(problems.join()).not.toContain('secret');
  });
});

describe('kvFromEnv', () => {
  const good = { KV_MODE: 'ring', KV_NODES: '127.0.0.1:1, [::1]:2', KV_NAMES: 'a,b', KV_TIMEOUT_MS: '50' };

  it('takes both modes', async () => {
    await kvFromEnv(good).close();
    await kvFromEnv({ ...good, KV_MODE: 'cluster', KV_NAMES: '' }).close();
  });

  it.each([
    ['KV_MODE', { KV_MODE: 'sentinel' }],
    ['KV_NODES', { KV_NODES: 'localhost,b:1' }],
    ['KV_NAMES', { KV_NAMES: 'a' }],
    ['KV_NAMES', { KV_NAMES: undefined }],
    ['KV_TIMEOUT_MS', { KV_TIMEOUT_MS: '0' }],
  ])('refuses a bad %s', (name, change) => {
    expect(problemsOf(() => kvFromEnv({ ...good, ...change }))).toEqual([expect.stringMatching(`^${name}: `)]);
  });
});
