import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Policies, type PolicyFile, PolicyFileError, parsePolicies, watchPolicies } from './policies.ts';

const problemsOf = (text: string): string => {
  try {
    parsePolicies(text);
  } catch (error) {
    if (error instanceof PolicyFileError) return error.problems.join('; ');
    throw error;
  }
  return 'none';
};
const one = (fields: string) => `policies:\n  - { ${fields} }\n`;

describe('parsePolicies', () => {
  it('reads what is written, and fills in what is not', () => {
    const policies = parsePolicies(`
policies:
  - name: per-user
    limit: 100
    periodMs: 60000
    burst: 20
    onStoreFailure: local
    shadow: true
  - { name: default, limit: 5, periodMs: 1000 }
`);
    expect([...policies.keys()]).toEqual(['per-user', 'default']);
    expect(policies.get('per-user')).toMatchObject({ burst: 20, onStoreFailure: 'local', shadow: true });
    expect(policies.get('default')).toMatchObject({ burst: 5, onStoreFailure: 'closed', shadow: false });
    expect(policies.get('default')?.rate.unitTicks).toBe(200_000);
  });

  it.each([
    ['', 'expected object'],
    ['policies: []', 'policies'],
    ['policies: 7', 'expected array'],
    [one('name: a, limit: 0, periodMs: 1'), 'policies.0.limit'],
    [one('name: a, limit: -1, periodMs: 1'), 'policies.0.limit'],
    [one('name: a, limit: 1.5, periodMs: 1'), 'policies.0.limit'],
    [one('name: a, limit: .nan, periodMs: 1'), 'policies.0.limit'],
    [one('name: a, limit: 1e30, periodMs: 1'), 'policies.0.limit'],
    [one('name: a, limit: "5", periodMs: 1'), 'policies.0.limit'],
    [one('name: a, limit: 5'), 'policies.0.periodMs'],
    [one('name: a, limit: 5, periodMs: 1, burst: 0'), 'policies.0.burst'],
    [one('name: a, limit: 1, periodMs: 31622400000, burst: 1000'), 'ten years'],
    [one('name: a, limit: 5, periodMs: 1, onStoreFailure: ajar'), 'policies.0.onStoreFailure'],
    [one('name: a, limit: 5, periodMs: 1, shadow: maybe'), 'policies.0.shadow'],
    [one('name: a, limit: 5, periodMs: 1, brust: 7'), 'brust'],
    [one('name: "a\\"b", limit: 5, periodMs: 1'), 'policies.0.name'],
    [one('name: "a:b", limit: 5, periodMs: 1'), 'policies.0.name'],
    [one('name: "1", limit: 5, periodMs: 1'), 'policies.0.name'],
    ['policies:\n  - { name: a, limit: 5, periodMs: 1 }\n  - { name: a, limit: 6, periodMs: 1 }', 'a twice'],
    [one('name: a, name: b, limit: 5, periodMs: 1'), 'unique'],
    ['policies: [', 'line 1'],
    ['policies: !!js/function x', 'tag'],
    ['base: &base { limit: 5, periodMs: 1 }\npolicies: [*base]', 'aliases'],
    [`policies:${' '.repeat(1024 * 1024)}`, 'larger than'],
  ])('refuses %j', (text, words) => {
    expect(problemsOf(text)).toContain(words);
  });

  it('refuses a file that would unfold without end', () => {
    const bomb = Array.from({ length: 9 }, (_, n) => `l${n + 1}: &l${n + 1} [${`*l${n},`.repeat(9)}]`).join('\n');
    expect(problemsOf(`l0: &l0 [x]\n${bomb}\npolicies: *l9`)).toContain('aliases');
  });

  it('does not let a file reach into objects', () => {
    expect(problemsOf(`${one('name: a, limit: 5, periodMs: 1')}__proto__: { polluted: 1 }`)).not.toBe('none');
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it('names every problem at once', () => {
    expect(problemsOf(one('name: a, limit: 0, periodMs: 0'))).toMatch(/limit.*periodMs/);
  });
});

describe('watchPolicies', () => {
  let directory: string;
  let file: string;
  let watched: PolicyFile | undefined;
  let events: ({ readonly policies: Policies } | { readonly error: unknown })[];

  /** At once, as editors and ConfigMaps do: who reads meanwhile finds the one text or the other. */
  const put = async (text: string) => {
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
  };

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'policies-'));
    file = join(directory, 'policies.yaml');
    events = [];
    await put(one('name: a, limit: 1, periodMs: 1000'));
  });
  afterEach(async () => {
    watched?.close();
    await rm(directory, { recursive: true, force: true });
  });
  const watch = async () => {
    watched = await watchPolicies(file, { pollMs: 10, onChange: (event) => events.push(event) });
    return watched;
  };
  const until = async (condition: () => boolean) => {
    for (let waitedMs = 0; !condition(); waitedMs += 10) {
      if (waitedMs > 20_000) throw new Error(`not within 20 s; events: ${JSON.stringify(events)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };

  it('takes a change without a restart', async () => {
    const policies = await watch();
    await put(one('name: a, limit: 2, periodMs: 1000'));
    await until(() => policies.current().get('a')?.limit === 2);
    expect(events).toHaveLength(1);
  });

  it('keeps the policies when the file turns bad, says so once, and takes the next good one', async () => {
    const policies = await watch();
    await put('policies: [');
    await until(() => events.length === 1);
    expect(events[0]).toHaveProperty('error');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(events).toHaveLength(1);
    expect(policies.current().get('a')?.limit).toBe(1);
    await put(one('name: a, limit: 3, periodMs: 1000'));
    await until(() => policies.current().get('a')?.limit === 3);
  });

  it('keeps the policies while the file is gone, and reads it when it is back', async () => {
    const policies = await watch();
    await rm(file);
    await until(() => events.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(events).toHaveLength(1);
    expect(policies.current().get('a')?.limit).toBe(1);
    await put(one('name: a, limit: 1, periodMs: 1000'));
    await until(() => events.length === 2);
    expect(events[1]).toHaveProperty('policies');
  });

  it('does not start with a bad file', async () => {
    await put('policies: []');
    await expect(watch()).rejects.toThrow(PolicyFileError);
    await rm(file);
    await expect(watch()).rejects.toThrow('ENOENT');
  });
});
