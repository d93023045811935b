/**
 * Deployments that are broken off, by Ctrl-C and worse, on a real cluster: what they leave, what is said of it, and that
 * the next one gets there.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { absent, dsp, makeProject, removeProject, startDsp, sweep } from './cluster.ts';

const namespace = `dsp-broken-${process.pid}`;
const requirements = fileURLToPath(new URL('dsp.yaml', import.meta.url));
let project = '';
let images: readonly string[] = [];

const deployArgs = (...more: readonly string[]) => [
  ...['deploy', '--target', 'kubernetes', '--namespace', namespace, '--overcommit', '20'],
  ...more,
];

/** Files by which Pulumi's file backend knows that somebody changes a stack. */
function locks(): readonly string[] {
  const folder = join(project, '.dsp', 'kubernetes', 'state', '.pulumi', 'locks');
  const found = readdirSync(folder, { recursive: true, withFileTypes: true });
  // Each lock has a file of attributes beside it.
  const files = found.filter((entry) => entry.isFile() && !entry.name.endsWith('.attrs'));
  return files.map(({ parentPath, name }) => join(parentPath, name));
}

interface Lock {
  readonly pid: number;
  readonly hostname: string;
}

function theLock(): { readonly path: string; readonly lock: Lock } {
  const [path = ''] = locks();
  return { path, lock: JSON.parse(readFileSync(path, 'utf8')) as Lock };
}

/** Pulumi's providers would outlive it. */
async function childrenOf(pid: number): Promise<readonly number[]> {
  const { stdout } = await execa('pgrep', ['--parent', `${pid}`], { reject: false });
  return stdout.split('\n').filter(Boolean).map(Number);
}

describe.skipIf(absent !== null)(`broken off${absent === null ? '' : ` (skipped: ${absent})`}`, () => {
  beforeAll(async () => {
    ({ project, images } = await makeProject(requirements, ['--set', 'needs=limit-callers']));
  }, 300_000);

  afterAll(async () => {
    if (project !== '') await dsp(project, ['destroy', '--unlock']);
    await sweep(namespace);
    removeProject(project);
  }, 240_000);

  it('Ctrl-C: Pulumi ends what it is doing and gives its lock back; 130, and the rerun goes on', async () => {
    const run = startDsp(project, deployArgs(...images));
    await run.said(/\+ created /);
    process.kill(run.pid, 'SIGINT');
    const { exitCode, err } = await run.ended;
    expect(err).toContain('cancelling: waiting for Pulumi to end what it is doing');
    expect(exitCode).toBe(130);
    expect(locks()).toEqual([]);
    expect((await dsp(project, ['status'])).exitCode).toBe(1);
  });

  it('dsp and Pulumi killed: the lock of somebody who is gone is taken away, and the rerun goes on', async () => {
    const run = startDsp(project, deployArgs(...images));
    await run.said(/\+ created /);
    const { path, lock } = theLock();
    const children = await childrenOf(lock.pid);
    for (const pid of [run.pid, lock.pid, ...children]) process.kill(pid, 'SIGKILL');
    await run.ended;
    expect(locks()).toEqual([path]);

    // Nobody here can tell whether a process elsewhere is alive.
    const text = readFileSync(path, 'utf8');
    writeFileSync(path, JSON.stringify({ ...lock, hostname: 'elsewhere' }));
    const refused = await dsp(project, deployArgs());
    expect(refused.err).toMatch(/is locked by \S+@elsewhere, process \d+, since \S+ .*\n.*--unlock/);
    expect(refused.exitCode).toBe(1);
    expect(locks()).toEqual([path]);

    writeFileSync(path, text);
    const again = await dsp(project, deployArgs());
    expect(again.err).toMatch(new RegExp(`taking away the lock of .*process ${lock.pid}, .*, which is gone`));
    expect(again.err).not.toContain('error:');
    expect(again.exitCode).toBe(0);
    expect(locks()).toEqual([]);
    expect((await dsp(project, ['status'])).exitCode).toBe(0);
  });
});
