import { mkdtempSync, rmSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { followLogs, interleave, type LogLine, logNames, readLogs, timeOf } from '../../../src/deploy/local/logs.ts';
import { lastLines } from '../../../src/deploy/local/ready.ts';
import { planOf, smallTopology, write } from '../../e2e/deploy-fixture.ts';

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
});

/** A project whose deployment was taken back: its logs and plan are all there is. */
function projectWithLogs(logs: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'dsp-logs-'));
  roots.push(root);
  write(root, 'plan.json', JSON.stringify(planOf(smallTopology)));
  for (const [name, text] of Object.entries(logs)) write(root, `.dsp/run/logs/${name}.log`, text);
  return root;
}

describe('timeOf', () => {
  it.each([
    ['{"level":30,"time":1767225600123,"msg":"x"}', 1_767_225_600_123],
    ['71:M 01 Jan 2026 00:00:00.123 * Ready', new Date(2026, 0, 1, 0, 0, 0, 123).getTime()],
    ['2026-01-01T00:00:00.123Z started', 1_767_225_600_123],
    ['2026-01-01T01:00:00.123+01:00 started', 1_767_225_600_123],
    ['    at stack (file.js:1:2)', null],
    ['', null],
  ])('of %s', (line, atMs) => {
    expect(timeOf(line)).toBe(atMs);
  });
});

describe('interleave', () => {
  const line = (source: string, text: string): LogLine => ({ source, text });

  it('merges by time and keeps a trace behind its line', () => {
    const a = [line('a', '{"time":1767225600100}'), line('a', 'trace'), line('a', '{"time":1767225600300}')];
    const b = [line('b', 'before any time'), line('b', '2026-01-01T00:00:00.200Z')];
    expect(interleave([a, b]).map(({ source, text }) => `${source} ${text}`)).toEqual([
      'b before any time',
      'a {"time":1767225600100}',
      'a trace',
      'b 2026-01-01T00:00:00.200Z',
      'a {"time":1767225600300}',
    ]);
  });
});

describe('logs', () => {
  const logs = { 'web-api-0': 'w1\nw2\n', 'store-redis-0': 's1\n', 'store-converge': 'c1\n', build: 'b1\n' };

  it('can be asked for by part, set, instance, job and build', () => {
    const root = projectWithLogs(logs);
    const of = (name?: string) => readLogs(root, name, 50).map(({ text }) => text);
    expect(logNames(root)).toEqual([
      'build',
      'store',
      'store-converge',
      'store-redis',
      'store-redis-0',
      'web',
      'web-api',
      'web-api-0',
    ]);
    expect(of('store')).toEqual(['c1', 's1']);
    expect(of('store-redis')).toEqual(['s1']);
    expect(of('web-api-0')).toEqual(['w1', 'w2']);
    expect(of('build')).toEqual(['b1']);
    expect(of()).toEqual(['c1', 's1', 'w1', 'w2']);
    expect(readLogs(root, 'web', 1)).toEqual([{ source: 'web-api-0', text: 'w2' }]);
  });

  it('are followed by whole lines, in new files too, until aborted', async () => {
    const root = projectWithLogs(logs);
    const seen: string[] = [];
    const stop = new AbortController();
    const done = followLogs(root, 'web', systemClock, stop.signal, ({ source, text }) =>
      seen.push(`${source} ${text}`),
    );
    await appendFile(join(root, '.dsp/run/logs/web-api-0.log'), 'w3\nhal');
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual(['web-api-0 w3']);
    await appendFile(join(root, '.dsp/run/logs/web-api-0.log'), 'f\n');
    write(root, '.dsp/run/logs/web-api-1.log', 'first\n');
    await expect.poll(() => seen, { timeout: 10_000 }).toEqual(['web-api-0 w3', 'web-api-0 half', 'web-api-1 first']);
    stop.abort();
    await done;
  });
});

describe('lastLines', () => {
  it('reads the end of a file, from an offset on', () => {
    const root = projectWithLogs({ x: `${Array.from({ length: 100_000 }, (_, i) => `line ${i}`).join('\n')}\n` });
    const path = join(root, '.dsp/run/logs/x.log');
    expect(lastLines(path, 2)).toEqual(['line 99998', 'line 99999']);
    expect(lastLines(path, 5, 1_088_890 - 11)).toEqual(['line 99999']);
    expect(lastLines(path, 0)).toEqual([]);
    expect(lastLines(join(root, 'none'), 3)).toEqual([]);
  });
});
