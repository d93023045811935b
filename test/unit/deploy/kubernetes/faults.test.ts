import { execFile, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Clock } from '../../../../src/clock.ts';
import type { Instance } from '../../../../src/deploy/deployment.ts';
import { podFaults, requireReach } from '../../../../src/deploy/kubernetes/faults.ts';
import type { Answer, Api } from '../../../../src/deploy/kubernetes/in-cluster.ts';
import { faultKinds } from '../../../../src/requirements/faults.ts';
import { temporaryFolder } from '../../../fixtures/temporary-folder.ts';

const instances: readonly Instance[] = [0, 1].map((ordinal) => ({
  id: `store-redis-${ordinal}`,
  set: 'store-redis',
  part: 'store',
  ordinal,
  kind: 'engine' as const,
  host: `store-redis-${ordinal}.store-redis.n.svc`,
  ports: { redis: 6379 },
  logPath: '',
}));

it('a cluster has no fault of a network, a clock, a disk or a size, which is told before any load', () => {
  expect(() => requireReach(['kill:store.primary', 'pause:store.primary+restart:limiter.instance'])).not.toThrow();
  const others = faultKinds.filter((kind) => !['kill', 'pause', 'restart', 'rolling-restart', 'scale'].includes(kind));
  for (const kind of others) {
    expect(() => requireReach(['kill:store.primary', `kill:a.b+${kind}:store.primary`])).toThrow(
      expect.objectContaining({ code: 'bench.fault-out-of-reach', exitCode: 2 }),
    );
  }
  expect(() => requireReach(['latency:a.b,ms=5'])).toThrow(/not latency:a\.b,ms=5/);
});

/** Time that passes as it is slept through. */
function fakeClock(): Clock {
  let nowMs = 0;
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: async (ms: number) => {
      nowMs += ms;
    },
  } as Clock;
}

/** A namespace whose stateful set makes a deleted pod anew after `backMs`, or never lets it go. */
class FakeApi implements Api {
  readonly namespace = 'n';
  readonly uids = new Map(instances.map(({ id }) => [id, `${id}-first`]));
  readonly patches: string[] = [];
  log = '';
  lets = true;

  async call(method: 'GET' | 'DELETE' | 'PATCH', path: string, body?: unknown): Promise<Answer> {
    const name = /^pods\/(?<name>[^/?]+)/.exec(path)?.groups?.name;
    if (method === 'DELETE' && name) {
      const { preconditions } = body as { preconditions: { uid: string } };
      if (preconditions.uid !== this.uids.get(name)) return { status: 409, text: '{"message":"another pod"}' };
      if (this.lets) this.uids.set(name, `${name}-second`);
      return { status: 200, text: '{}' };
    }
    if (method === 'PATCH') {
      this.patches.push(JSON.stringify(body));
      return { status: 200, text: '{}' };
    }
    if (path.includes('/log')) return { status: 200, text: this.log };
    const pods = [...this.uids].map(([pod, uid]) => ({
      metadata: { name: pod, uid },
      spec: { containers: [{ name: 'main', image: 'redis:7', command: ['redis-server'] }] },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    }));
    const found = pods.find(({ metadata }) => metadata.name === name);
    return { status: 200, text: JSON.stringify(name ? found : { items: pods }) };
  }
}

it('a kill hits when the pod of that identity is gone, and is over when another is ready', async () => {
  const faults = podFaults(new FakeApi(), instances, fakeClock());
  const hit = await faults.kill('store-redis-1');
  expect(hit).toEqual({
    hit: true,
    seen: expect.stringMatching(/^pod store-redis-1 \(store-redis-1-first\) gone after/),
  });
  expect(await faults.restart('store-redis-1')).toMatchObject({ hit: true });
});

it('a kill that the cluster does not carry out did not hit', async () => {
  const api = new FakeApi();
  api.lets = false;
  const faults = podFaults(api, instances, fakeClock());
  expect(await faults.kill('store-redis-0')).toMatchObject({
    hit: false,
    seen: expect.stringContaining('still there'),
  });
  // Nor is it back: the old one is no new one.
  expect(await faults.restart('store-redis-0')).toMatchObject({ hit: false });
});

it('a pause hits when the kernel shows the process stopped', async () => {
  const api = new FakeApi();
  const faults = podFaults(api, instances, fakeClock());
  api.log = 'pid 7 T\n';
  expect(await faults.pause('store-redis-0')).toMatchObject({ hit: true, seen: expect.stringContaining('pid 7') });
  expect(api.patches[0]).toContain('kill -STOP');
  expect(api.patches[0]).toContain('"drop":["ALL"]');
  api.log = 'pid 7 S';
  expect(await faults.resume('store-redis-0')).toMatchObject({ hit: true });
});

it.each([
  ['pid 7 S', /pid 7 S$/],
  ['pid 7 gone', /pid 7 gone$/],
  ['no process of redis-server', /no process/],
  ['', /nothing was said/],
])('a pause after which the process says %o did not hit', async (log, seen) => {
  const api = new FakeApi();
  api.log = log;
  expect(await podFaults(api, instances, fakeClock()).pause('store-redis-0')).toEqual({
    hit: false,
    seen: expect.stringMatching(seen),
  });
});

it('what a shell complains of, and what is said too early, is no answer', async () => {
  const api = new FakeApi();
  const faults = podFaults(api, instances, fakeClock());
  api.log = 'sh: 2: cannot open /proc/660/comm: No such file\npid 7 T\n';
  expect(await faults.pause('store-redis-0')).toMatchObject({ hit: true, seen: expect.stringContaining('pid 7 of') });
  const clock = fakeClock();
  const slow = podFaults(api, instances, {
    ...clock,
    sleep: async (ms) => {
      await clock.sleep(ms);
      if (clock.monotonicMs() > 1000) api.log += 'pid 8 T\n';
    },
  } as Clock);
  api.log = 'sh: 2: something\n';
  expect(await slow.pause('store-redis-0')).toMatchObject({ hit: true, seen: expect.stringContaining('pid 8 of') });
});

describe('the container that is put into a pod', () => {
  /** What it runs, with processes of a folder's in place of the pod's. */
  function scriptOf(patch: string | undefined, folder: string): string {
    interface Patch {
      readonly spec: { readonly ephemeralContainers: readonly { readonly command: readonly string[] }[] };
    }
    const { spec } = JSON.parse(patch ?? '') as Patch;
    return spec.ephemeralContainers[0]?.command.at(-1)?.replaceAll('/proc/', `${folder}/`) ?? '';
  }

  it('stops the process and lets it go on, whatever else ends meanwhile', async () => {
    const folder = temporaryFolder('proc');
    const program = join(folder, 'redis-server');
    symlinkSync('/bin/sleep', program);
    const victim = spawn(program, ['60']);
    onTestFinished(() => {
      victim.kill('SIGKILL');
    });
    // One that has just ended, another, and the one that is meant.
    mkdirSync(join(folder, '1'));
    symlinkSync('/proc/self', join(folder, '2'));
    symlinkSync(`/proc/${victim.pid}`, join(folder, String(victim.pid)));
    await expect.poll(() => readFileSync(`/proc/${victim.pid}/comm`, 'utf8')).toBe('redis-server\n');
    const api = new FakeApi();
    const faults = podFaults(api, instances, fakeClock());
    await faults.pause('store-redis-0');
    await faults.resume('store-redis-0');
    const [pause = '', resume = ''] = api.patches.map((patch) => scriptOf(patch, folder));
    const pausing = execFile('sh', ['-c', pause]);
    let said = '';
    pausing.stdout?.on('data', (text: string) => {
      said += text;
    });
    await expect.poll(() => said, { timeout: 10_000 }).toBe(`pid ${victim.pid} T\n`);
    const { stdout, stderr } = await promisify(execFile)('sh', ['-c', resume]);
    expect({ stdout, stderr }).toEqual({ stdout: `pid ${victim.pid} S\n`, stderr: '' });
    // The first container sees that, and ends.
    await expect.poll(() => pausing.exitCode, { timeout: 10_000 }).toBe(0);
  });

  it('says when there is no such process', async () => {
    const folder = temporaryFolder('proc');
    mkdirSync(join(folder, '1'));
    const api = new FakeApi();
    await podFaults(api, instances, fakeClock()).pause('store-redis-0');
    const ended = promisify(execFile)('sh', ['-c', scriptOf(api.patches[0], folder)]);
    await expect(ended).rejects.toMatchObject({ code: 1, stdout: 'no process of redis-server\n', stderr: '' });
  });
});
