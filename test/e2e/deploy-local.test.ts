/** The local target on real engines: what a second deployment changes, and what a failed one leaves. */

import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Instance } from '../../src/deploy/deployment.ts';
import { faultAccess } from '../../src/deploy/local/faults.ts';
import { isPortFree } from '../../src/deploy/local/ports.ts';
import { readDeployment } from '../../src/deploy/local/registry.ts';
import { isHealthy, readStatus } from '../../src/deploy/local/status.ts';
import { DspError } from '../../src/errors.ts';
import type { ProcessSet, Topology } from '../../src/pattern.ts';
import {
  apiSet,
  convergeJob,
  deploy,
  destroy,
  discard,
  makeProject,
  pidOf,
  processesOf,
  redis,
  redisSet,
  smallTopology,
  whoAnswers,
  write,
} from './deploy-fixture.ts';

const projects: string[] = [];

function project(): string {
  const root = makeProject();
  projects.push(root);
  return root;
}

afterEach(async () => {
  for (const root of projects.splice(0)) await discard(root);
});

function withSets(change: { redis?: Partial<ProcessSet>; api?: Partial<ProcessSet> }): Topology {
  return {
    processSets: [
      { ...redisSet, ...change.redis },
      { ...apiSet, ...change.api },
    ],
    jobs: [convergeJob],
  };
}

async function pids(root: string): Promise<Readonly<Record<string, number | null>>> {
  const status = await readStatus(root, systemClock);
  return Object.fromEntries((status?.instances ?? []).map(({ id, pid }) => [id, pid]));
}

const logOf = (root: string, id: string) => readFileSync(join(root, '.dsp/run/logs', `${id}.log`), 'utf8');
const convergeRuns = (root: string) =>
  [...logOf(root, 'store-converge').matchAll(/^converge (.*)$/gm)].map((match) => JSON.parse(match[1] ?? ''));

async function failure(promise: Promise<unknown>): Promise<DspError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof DspError)) throw error;
  return error;
}

describe('a deployment', () => {
  it('starts in order, answers, and is found again', async () => {
    const root = project();
    const said: string[] = [];
    const deployment = await deploy(root, smallTopology, { onLine: (line) => said.push(line) });
    const answer = await whoAnswers(deployment);
    const ports = deployment.instances
      .filter(({ set }) => set === 'store-redis')
      .map(({ ports: p }) => p.redis as number);
    expect(answer).toMatchObject({ greeting: 'hello', nodes: ports.map((port) => `127.0.0.1:${port}`).join(',') });
    expect(await redis(ports[0] as number, 'PING')).toBe('+PONG');
    expect(said.filter((line) => /^(starting|running)/.test(line))).toEqual([
      'starting store-redis-0, store-redis-1',
      'running store-converge',
      'starting web-api-0',
    ]);
    expect(await readDeployment(root)).toEqual(deployment);
    const status = await readStatus(root, systemClock);
    expect(status && isHealthy(status)).toBe(true);
    expect(await pids(root)).toMatchObject({
      'web-api-0': answer.pid,
      'store-redis-0': Number(await pidOf(deployment, 'store-redis-0')),
    });
  });

  it('changes nothing when nothing changed', async () => {
    const root = project();
    await deploy(root);
    const before = await pids(root);
    const said: string[] = [];
    await deploy(root, smallTopology, { onLine: (line) => said.push(line) });
    expect(await pids(root)).toEqual(before);
    expect(said).toEqual([]);
  });

  it('restarts only what changed', async () => {
    const root = project();
    await deploy(root);
    const before = await pids(root);
    const deployment = await deploy(root, withSets({ api: { env: { ...apiSet.env, GREETING: 'bonjour' } } }));
    expect((await whoAnswers(deployment)).greeting).toBe('bonjour');
    const { 'web-api-0': web, ...engines } = await pids(root);
    expect(web).not.toBe(before['web-api-0']);
    expect(before).toMatchObject(engines);
    expect(convergeRuns(root)).toHaveLength(1);
    expect(logOf(root, 'web-api-0')).toContain('drained');
  });

  it('restarts a service when its bundle changed, and engines when their file did', async () => {
    const root = project();
    await deploy(root);
    const before = await pids(root);
    write(root, 'api.js', `${readFileSync(join(root, 'api.js'), 'utf8')}\n// changed\n`);
    await deploy(root);
    const middle = await pids(root);
    expect(middle['web-api-0']).not.toBe(before['web-api-0']);
    expect(middle['store-redis-0']).toBe(before['store-redis-0']);
    write(root, 'parts/store/redis.conf', 'save ""\nappendonly yes\nhz 20\n');
    await deploy(root);
    const after = await pids(root);
    expect(after['store-redis-0']).not.toBe(middle['store-redis-0']);
    expect(after['web-api-0']).toBe(middle['web-api-0']);
    expect(convergeRuns(root)).toHaveLength(2);
  });

  it('starts a dead process again, where it was, and resumes a paused one', async () => {
    const root = project();
    const deployment = await deploy(root);
    const before = await pids(root);
    process.kill(before['web-api-0'] as number, 'SIGKILL');
    process.kill(before['store-redis-1'] as number, 'SIGSTOP');
    await expect
      .poll(async () => (await readStatus(root, systemClock))?.instances.map(({ state }) => state))
      .toEqual(['running', 'paused', 'dead']);
    expect(await deploy(root)).toEqual(deployment);
    const after = await pids(root);
    expect(after).toMatchObject({ 'store-redis-0': before['store-redis-0'], 'store-redis-1': before['store-redis-1'] });
    expect((await whoAnswers(deployment)).pid).toBe(after['web-api-0']);
  });

  it('grows, then drains what leaves before it stops it and forgets its data', async () => {
    const root = project();
    await deploy(root);
    const grown = await deploy(root, withSets({ redis: { replicas: 3 } }));
    const third = grown.instances.find(({ id }) => id === 'store-redis-2')?.ports.redis as number;
    await redis(third, 'SET key value');
    const before = await pids(root);
    // A member that is to hand over what it holds is needed alive.
    process.kill(before['store-redis-2'] as number, 'SIGKILL');
    await expect.poll(async () => (await pids(root))['store-redis-2']).toBe(null);
    await deploy(root);
    expect(convergeRuns(root).slice(1)).toEqual([
      { nodes: 3, leaving: [] },
      { nodes: 2, leaving: [`127.0.0.1:${third}`] },
    ]);
    expect(Object.keys(await pids(root))).toEqual(['store-redis-0', 'store-redis-1', 'web-api-0']);
    expect(existsSync(join(root, '.dsp/data/store-redis-2'))).toBe(false);
    expect(existsSync(join(root, '.dsp/data/store-redis-1'))).toBe(true);
    const { 'store-redis-0': first } = await pids(root);
    expect(first).toBe(before['store-redis-0']);
  });

  it('runs a job again after it failed', async () => {
    const root = project();
    const failing = { ...convergeJob, env: { ...convergeJob.env, FAIL: 'yes' } };
    const error = await failure(deploy(root, { ...smallTopology, jobs: [failing] }));
    expect([error.code, error.exitCode, error.message]).toEqual([
      'deploy.job-failed',
      5,
      expect.stringContaining('exit code 3\n  | converge {"nodes":2'),
    ]);
    expect(processesOf(root)).toEqual([]);
    await deploy(root);
    await failure(deploy(root, { ...smallTopology, jobs: [failing] }));
    expect(await readDeployment(root)).toBe(null);
    await deploy(root);
    expect(await readDeployment(root)).not.toBe(null);
  });
});

describe('a failed start', () => {
  it('shows the last lines of the log and leaves nothing running', async () => {
    const root = project();
    const error = await failure(deploy(root, withSets({ api: { env: { ...apiSet.env, DIE: 'yes' } } })));
    expect([error.code, error.exitCode]).toEqual(['deploy.died', 5]);
    const shown = error.message.split('\n').slice(1);
    expect(shown).toEqual(Array.from({ length: 20 }, (_, i) => `  | complaint ${i + 11}`));
    expect(processesOf(root)).toEqual([]);
    expect(existsSync(join(root, '.dsp/data'))).toBe(false);
    expect(await readDeployment(root)).toBe(null);
    expect(logOf(root, 'web-api-0')).toContain('complaint 1');
  });

  it('tells what an engine says of a bad configuration', async () => {
    const root = project();
    write(root, 'parts/store/redis.conf', 'no-such-directive yes\n');
    const error = await failure(deploy(root));
    expect(error.message).toContain('no-such-directive');
    expect(processesOf(root)).toEqual([]);
  });

  it('leaves what ran before alone', async () => {
    const root = project();
    const deployment = await deploy(root);
    const before = await pids(root);
    await failure(deploy(root, withSets({ api: { env: { ...apiSet.env, DIE: 'yes' } } })));
    expect(await pids(root)).toEqual({ ...before, 'web-api-0': null });
    await deploy(root);
    expect((await whoAnswers(deployment)).greeting).toBe('hello');
  });

  it('tells what the build says', async () => {
    const root = project();
    write(root, 'api.js', 'const = 1;\n');
    const error = await failure(deploy(root));
    expect([error.code, error.exitCode]).toEqual(['deploy.build-failed', 5]);
    expect(error.message).toContain('SyntaxError');
    expect(processesOf(root)).toEqual([]);
  });

  it('refuses a file that is gone', async () => {
    const root = project();
    const set = { ...redisSet, files: [{ name: 'conf', path: 'parts/store/none.conf' }] };
    const error = await failure(deploy(root, { processSets: [set, apiSet], jobs: [convergeJob] }));
    expect(error.code).toBe('deploy.file-missing');
    expect(existsSync(join(root, '.dsp/data'))).toBe(false);
  });

  it.each(['installing', 'bundling', 'starting store', 'running', 'starting web'])(
    'is taken back on Ctrl-C while %s',
    async (moment) => {
      const root = project();
      const interrupt = new AbortController();
      const onLine = (line: string) => {
        if (line.startsWith(moment)) setTimeout(() => interrupt.abort(new DspError('interrupted', {})), 20);
      };
      // Longer than the interrupt takes to come.
      write(root, 'build.js', `${readFileSync(join(root, 'build.js'), 'utf8')}; setTimeout(() => {}, 2_000);`);
      const slow = withSets({ api: { env: { ...apiSet.env, SLOW: 'yes' } } });
      const topology = { ...slow, jobs: [{ ...convergeJob, env: { ...convergeJob.env, SLOW: 'yes' } }] };
      const error = await failure(deploy(root, topology, { signal: interrupt.signal, onLine }));
      expect(error.exitCode).toBe(130);
      expect(processesOf(root)).toEqual([]);
      expect(existsSync(join(root, '.dsp/run/state.json')) || existsSync(join(root, '.dsp/data'))).toBe(false);
    },
  );
});

describe('ports', () => {
  it('avoids one that is taken, and takes another when a dead process has lost its own', async () => {
    const root = project();
    const first = await deploy(root);
    const port = Number(new URL(first.endpoints.web as string).port);
    await destroy(root);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const second = await deploy(root);
    expect(second.endpoints.web).not.toBe(first.endpoints.web);
    await new Promise((resolve) => server.close(resolve));

    process.kill((await pids(root))['web-api-0'] as number, 'SIGKILL');
    const lost = Number(new URL(second.endpoints.web as string).port);
    const thief = createServer();
    await expect
      .poll(() => new Promise((resolve) => thief.once('error', resolve).listen(lost, '127.0.0.1', () => resolve(null))))
      .toBe(null);
    const third = await deploy(root);
    expect((await whoAnswers(third)).greeting).toBe('hello');
    expect(third.endpoints.web).not.toBe(second.endpoints.web);
    await new Promise((resolve) => thief.close(resolve));
  });

  it('are never shared by two projects, even when their processes are dead', async () => {
    const [one, two] = [project(), project()];
    const first = await deploy(one);
    for (const pid of Object.values(await pids(one))) process.kill(pid as number, 'SIGKILL');
    await expect.poll(() => processesOf(one)).toEqual([]);
    const [second, again] = await Promise.all([deploy(two), deploy(one)]);
    expect(again).toEqual(first);
    const all = [first, second].flatMap(({ instances }) =>
      instances.flatMap(({ ports: { redis: port, http } }) => (port ? [port, port + 10_000] : [http])),
    );
    expect(new Set(all).size).toBe(all.length);
    expect((await whoAnswers(first)).pid).not.toBe((await whoAnswers(second)).pid);
    await destroy(one);
    expect((await whoAnswers(second)).greeting).toBe('hello');
  });

  it('are the same again for kept data', async () => {
    const root = project();
    const usual = await deploy(root);
    await destroy(root);
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(usual.instances[0]?.ports.redis, '127.0.0.1', resolve));
    const first = await deploy(root);
    await new Promise((resolve) => squatter.close(resolve));
    expect(first.instances).not.toEqual(usual.instances);
    const port = first.instances[0]?.ports.redis as number;
    await redis(port, 'SET kept yes');
    await destroy(root, true);
    expect(processesOf(root)).toEqual([]);
    const second = await deploy(root);
    expect(second.instances).toEqual(first.instances);
    expect(await redis(port, 'EXISTS kept')).toBe(':1');
    await destroy(root);
    await deploy(root);
    expect(await redis(port, 'EXISTS kept')).toBe(':0');
  });
});

describe('two at once', () => {
  it('take turns', async () => {
    const root = project();
    const said: string[] = [];
    const [first, second] = await Promise.all([
      deploy(root),
      deploy(root, smallTopology, { onLine: (line) => said.push(line) }),
    ]);
    expect(second).toEqual(first);
    expect(convergeRuns(root)).toHaveLength(1);
  });
});

describe('faults', () => {
  it('have witnesses, and a restart heals', async () => {
    const root = project();
    const deployment = await deploy(root);
    const faults = faultAccess(root, systemClock);
    const before = await pids(root);
    expect(await faults.pause('store-redis-0')).toMatchObject({ hit: true });
    expect((await readStatus(root, systemClock))?.instances[0]).toMatchObject({ state: 'paused', ready: false });
    expect(await faults.resume('store-redis-0')).toMatchObject({ hit: true });
    expect(await faults.restart('store-redis-0')).toMatchObject({ hit: false });
    expect(await faults.kill('store-redis-0')).toEqual({
      hit: true,
      seen: expect.stringMatching(new RegExp(`^pid ${before['store-redis-0']} gone after [\\d.]+ ms$`)),
    });
    expect(await faults.kill('store-redis-0')).toEqual({ hit: false, seen: 'store-redis-0 was not running' });
    expect(await faults.pause('store-redis-0')).toMatchObject({ hit: false });
    expect(await faults.restart('store-redis-0')).toMatchObject({ hit: true });
    // What is gone holds its port no longer.
    for (let round = 0; round < 15; round++) {
      expect(await faults.kill('store-redis-1')).toMatchObject({ hit: true });
      expect(await isPortFree(deployment.instances[1]?.ports.redis as number)).toBe(true);
      expect(await faults.restart('store-redis-1')).toMatchObject({ hit: true });
    }
    expect(await readDeployment(root)).toEqual(deployment);
    const status = await readStatus(root, systemClock);
    expect(status && isHealthy(status)).toBe(true);
    expect((await failure(faults.kill('nobody-0'))).code).toBe('input.choice');
  });
});

describe('a restart in turn', () => {
  it('tells who may be called before each is stopped, and once it is ready again', async () => {
    const root = project();
    const deployment = await deploy(root);
    const before = await pids(root);
    const set = Object.keys(before).filter((id) => id.startsWith('store-redis-'));
    const told: string[][] = [];
    const serving = async (instances: readonly Instance[]) => {
      told.push(Object.keys(before).filter((id) => !instances.some((instance) => instance.id === id)));
      // Nothing is stopped yet that was left out just now, and all that was left out before is back.
      expect(Object.values(await pids(root))).not.toContain(null);
    };
    const faults = faultAccess(root, systemClock);
    expect(await faults.rollingRestart('store-redis', serving)).toMatchObject({
      hit: true,
      seen: expect.stringMatching(/^2 processes of store-redis restarted in turn within \d+ ms$/),
    });
    expect(told).toEqual([...set.toReversed().map((id) => [id]), []]);
    const after = await pids(root);
    for (const [id, pid] of Object.entries(before)) expect(after[id] !== pid, id).toBe(set.includes(id));
    expect(await readDeployment(root)).toEqual(deployment);
  });

  it('ends at one that did not run, and all are called as before', async () => {
    const root = project();
    await deploy(root);
    const faults = faultAccess(root, systemClock);
    await faults.kill('store-redis-1');
    const told: number[] = [];
    const ran = await faults.rollingRestart('store-redis', async ({ length }) => void told.push(length));
    expect(ran).toMatchObject({
      hit: false,
      seen: expect.stringMatching(/^store-redis-1: store-redis-1 was not running; /),
    });
    const all = (await readDeployment(root))!.instances.length;
    expect(told).toEqual([all - 1, all]);
  });
});

describe('destroy', () => {
  it('of nothing does nothing', async () => {
    const root = project();
    expect(await destroy(root)).toEqual({ drained: 0, killed: 0, dataRemoved: false });
  });

  it('leaves the user in the data folder alone, and finds what no record knows', async () => {
    const root = project();
    await deploy(root);
    const data = join(root, '.dsp/data/store-redis-0');
    const { spawn } = await import('node:child_process');
    const bystander = spawn('sleep', ['60'], { cwd: data, stdio: 'ignore' });
    write(root, '.dsp/run/state.json', '{"schemaVersion":1');
    expect((await failure(deploy(root))).code).toBe('deploy.state-unreadable');
    expect(await destroy(root)).toMatchObject({ dataRemoved: true });
    expect(processesOf(root)).toEqual([String(bystander.pid)]);
    bystander.kill('SIGKILL');
    await new Promise((resolve) => bystander.once('exit', resolve));
    expect(existsSync(join(root, '.dsp/run'))).toBe(false);
  });
});
