/** The kv client and the converge job against real Redis Clusters: failing over, growing, shrinking, being killed. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import keySlot from 'cluster-key-slot';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../templates/kit/src/clock.ts';
import {
  defineScript,
  type KvClient,
  KvUnavailableError,
  UnreplicatedError,
} from '../../templates/kit/src/kv-client.ts';
import { clusterKv } from '../../templates/kit/src/kv-cluster.ts';
import { createMetrics } from '../../templates/kit/src/metrics.ts';
import { parseClusterNodes } from '../../templates/sharded-redis/service/src/cluster-view.ts';
import { claimPortWithBus } from '../fixtures/ports.ts';
import { eventually, onPath, RedisFarm, type RedisServer } from './kv-redis.ts';

const nodeTimeoutMs = 1_500;
const bundleDir = mkdtempSync(join(tmpdir(), 'kv-converge-'));
const bundle = join(bundleDir, 'converge.mjs');

let farm: RedisFarm;
const clients: KvClient[] = [];

function client(servers: readonly RedisServer[], timeoutMs = 8_000): KvClient {
  const kv = clusterKv({ seeds: servers.map((server) => server.address), timeoutMs });
  clients.push(kv);
  return kv;
}

function startConverge(nodes: readonly RedisServer[], leaving: readonly RedisServer[], replicas: number): ChildProcess {
  return spawn(process.execPath, [bundle], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      NODES: nodes.map((server) => server.address).join(','),
      LEAVING: leaving.map((server) => server.address).join(','),
      REPLICAS: String(replicas),
      NODE_TIMEOUT_MS: String(nodeTimeoutMs),
      TIMEOUT_MS: '90000',
    },
  });
}

/** Runs the job to its end; resolves with how long it says it took. */
async function converge(nodes: readonly RedisServer[], leaving: readonly RedisServer[] = [], replicas = 1) {
  const job = startConverge(nodes, leaving, replicas);
  let log = '';
  job.stdout?.setEncoding('utf8').on('data', (text: string) => {
    log += text;
  });
  const [code] = await once(job, 'close');
  expect(code, log).toBe(0);
  return Number(/"tookMs":(\d+)/.exec(log)?.[1]);
}

/** Slots and roles as the node sees them. */
async function shape(server: RedisServer) {
  const { self, others, open } = parseClusterNodes(String(await server.command('CLUSTER', 'NODES')));
  const members = [self, ...others.values()];
  const primaries = members.filter((member) => member.slots.length > 0);
  return {
    members: members.length,
    slots: primaries.map((member) => member.slots.length).sort(),
    replicas: primaries.map((primary) => members.filter((member) => member.primaryId === primary.id).length),
    open: open.length,
    addresses: members.map((member) => member.address).sort(),
  };
}

async function isPrimary(server: RedisServer): Promise<boolean> {
  return ((await server.command('ROLE')) as unknown[])[0] === 'master';
}

async function ownerOf(key: string, servers: readonly RedisServer[]): Promise<RedisServer> {
  return eventually(async () => {
    for (const server of servers) {
      const { self } = parseClusterNodes(String(await server.command('CLUSTER', 'NODES')));
      if (self.role === 'primary' && self.slots.includes(keySlot(key))) return server;
    }
    return undefined;
  });
}

/** Writes ever new values until stopped, waiting for a replica, and remembers what was acknowledged. */
function startWriter(kv: KvClient, workers: number, keysPerWorker = 200) {
  const acknowledged = new Map<string, number>();
  const attempted = new Map<string, number>();
  const errors: unknown[] = [];
  let running = true;
  const work = async (worker: number) => {
    for (let version = 1; running; version++) {
      const key = `w${worker}-${version % keysPerWorker}`;
      attempted.set(key, version);
      try {
        await kv.set(key, String(version), { waitReplicas: 1, waitTimeoutMs: 2_000 });
        acknowledged.set(key, version);
      } catch (error) {
        errors.push(error);
      }
      await systemClock.sleep(1);
    }
  };
  const workersDone = Promise.all(Array.from({ length: workers }, (_, index) => work(index)));
  return {
    acknowledged,
    errors,
    async stop() {
      running = false;
      await workersDone;
    },
    /** Keys whose value is older than what was acknowledged, or newer than what was ever sent. */
    async lost(): Promise<string[]> {
      const lost: string[] = [];
      for (const [key, version] of acknowledged) {
        const found = Number(await kv.get(key));
        if (found < version || found > (attempted.get(key) ?? 0)) lost.push(`${key}: ${found} for ${version}`);
      }
      return lost;
    },
  };
}

describe.skipIf(!onPath('redis-server'))('on a Redis Cluster (needs redis-server on PATH)', () => {
  beforeAll(async () => {
    await build({
      entryPoints: [new URL('../../templates/sharded-redis/service/src/converge.ts', import.meta.url).pathname],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    });
  });

  afterEach(async () => {
    await Promise.all(clients.splice(0).map((kv) => kv.close()));
    await farm.end();
  });

  afterAll(() => rmSync(bundleDir, { recursive: true, force: true }));

  it('a killed primary is replaced, no acknowledged write is lost, and the job restores the replica', async () => {
    farm = new RedisFarm();
    const servers = await farm.addCluster(6, nodeTimeoutMs);
    await converge(servers);
    expect(await shape(servers[0] as RedisServer)).toMatchObject({ slots: [5461, 5461, 5462], replicas: [1, 1, 1] });
    const kv = client(servers.slice(0, 1));
    await kv.ready();
    const writer = startWriter(kv, 8);
    await eventually(async () => writer.acknowledged.size > 300);
    const victim = await ownerOf('w0-1', servers);
    await victim.kill();
    const survivors = servers.filter((server) => server !== victim);
    await eventually(async () => (await ownerOf('w0-1', survivors)) !== victim);
    // A write that was in flight ended unknown; the next one finds the new primary.
    await eventually(async () => (await kv.set('w-probe', 'x').then(() => true)) && (await kv.get('w0-1')) !== null);
    await victim.start();
    await eventually(async () => !(await isPrimary(victim)));
    await writer.stop();
    expect(writer.errors.filter((error) => !isExpected(error))).toEqual([]);
    expect(await writer.lost()).toEqual([]);
    await converge(servers);
    expect(await shape(victim)).toMatchObject({ members: 6, replicas: [1, 1, 1] });
  });

  it('a paused primary costs each command its time-out at most, and the cluster goes on without it', async () => {
    farm = new RedisFarm();
    const servers = await farm.addCluster(6, nodeTimeoutMs);
    await converge(servers);
    const kv = client(servers, 500);
    await kv.set('a', '1');
    const paused = await ownerOf('a', servers);
    paused.signal('SIGSTOP');
    const inFlight = await kv.set('a', '2').catch((error: unknown) => error);
    expect(inFlight).toBeInstanceOf(KvUnavailableError);
    expect((inFlight as KvUnavailableError).mayHaveRun).toBe(true);
    const next = await kv.set('a', '3').catch((error: unknown) => error);
    if (next !== undefined) expect((next as KvUnavailableError).mayHaveRun).toBe(false);
    await eventually(async () => {
      await kv.set('a', '4');
      return true;
    });
    paused.signal('SIGCONT');
    await eventually(async () => !(await isPrimary(paused)));
    await kv.set('a', '5', { waitReplicas: 1, waitTimeoutMs: 5_000 });
    expect(await kv.get('a')).toBe('5');
  });

  it('grows and shrinks under a writer that sees no error, and idles quickly', async () => {
    farm = new RedisFarm();
    const servers = await farm.addCluster(6, nodeTimeoutMs);
    await converge(servers);
    const kv = client(servers);
    for (let index = 0; index < 3_000; index++) await kv.set(`still-${index}`, `value ${index}`);
    const writer = startWriter(kv, 8);
    await eventually(async () => writer.acknowledged.size > 300);

    const added = await farm.addCluster(2, nodeTimeoutMs);
    await converge([...servers, ...added]);
    expect(await shape(added[0] as RedisServer)).toMatchObject({
      slots: [4096, 4096, 4096, 4096],
      members: 8,
      open: 0,
    });
    const during = writer.acknowledged.size;

    await converge(servers, added);
    expect(await shape(servers[0] as RedisServer)).toMatchObject({ slots: [5461, 5461, 5462], members: 6 });
    await Promise.all(added.map((server) => server.kill()));
    await eventually(async () => writer.acknowledged.size >= during);
    await writer.stop();

    expect(writer.errors).toEqual([]);
    expect(await writer.lost()).toEqual([]);
    for (let index = 0; index < 3_000; index++) expect(await kv.get(`still-${index}`)).toBe(`value ${index}`);
    expect(await converge(servers)).toBeLessThan(5_000);

    // What left may be asked back with its files, as a pod is with its volume: it has nothing, and claims nothing.
    await Promise.all(added.map((server) => server.start()));
    for (const server of added) expect(await server.command('DBSIZE')).toBe(0);
    await converge([...servers, ...added]);
    expect(await shape(servers[0] as RedisServer)).toMatchObject({ slots: [4096, 4096, 4096, 4096], members: 8 });
    for (let index = 0; index < 3_000; index++) expect(await kv.get(`still-${index}`)).toBe(`value ${index}`);
  });

  it('a job that was killed while slots moved is taken up by the next', async () => {
    farm = new RedisFarm();
    const servers = await farm.addCluster(3, nodeTimeoutMs);
    await converge(servers, [], 0);
    const kv = client(servers);
    const value = 'x'.repeat(2_000);
    const keys = Array.from({ length: 4_000 }, (_, index) => `k${index}`);
    for (const key of keys) await kv.set(key, `${key}${value}`);
    const added = await farm.addCluster(1, nodeTimeoutMs);
    const all = [...servers, ...added];
    let openSlots = 0;
    for (let attempt = 0; attempt < 3; attempt++) {
      const job = startConverge(all, [], 0);
      const gone = once(job, 'close');
      await eventually(async () => Number(await (added[0] as RedisServer).command('DBSIZE')) > 250 * (attempt + 1));
      job.kill('SIGKILL');
      await gone;
      for (const server of all) openSlots += (await shape(server)).open;
    }
    expect(openSlots).toBeGreaterThan(0);
    await converge(all, [], 0);
    for (const server of all) expect(await shape(server)).toMatchObject({ slots: [4096, 4096, 4096, 4096], open: 0 });
    for (const key of keys) expect(await kv.get(key)).toBe(`${key}${value}`);
    const sizes = await Promise.all(all.map((server) => server.command('DBSIZE')));
    expect(sizes.reduce((sum: number, size) => sum + Number(size), 0)).toBe(keys.length);
  });

  it('keys that a killed job and a failover left apart are brought together', async () => {
    farm = new RedisFarm();
    const servers = await farm.addCluster(6, nodeTimeoutMs);
    await converge(servers);
    const kv = client(servers);
    const value = 'y'.repeat(2_000);
    const keys = Array.from({ length: 4_000 }, (_, index) => `k${index}`);
    for (const key of keys) await kv.set(key, `${key}${value}`, { waitReplicas: 1, waitTimeoutMs: 5_000 });
    const added = await farm.addCluster(2, nodeTimeoutMs);
    const all = [...servers, ...added];
    const job = startConverge(all, [], 1);
    const gone = once(job, 'close');
    const isMoving = async (server: RedisServer) => {
      const { open } = parseClusterNodes(String(await server.command('CLUSTER', 'NODES')));
      return open.some(({ state }) => state === 'migrating');
    };
    const source = await eventually(async () => {
      for (const server of servers) if (await isMoving(server)) return server;
      return undefined;
    });
    job.kill('SIGKILL');
    await gone;
    // The replica that takes over knows nothing of the slots that were on their way.
    await source.kill();
    const survivors = servers.filter((server) => server !== source);
    await eventually(async () => {
      const roles = await Promise.all(survivors.map(isPrimary));
      return roles.filter(Boolean).length === 3;
    });
    await source.start();
    // The wish has changed meanwhile: what already lies at the new nodes must come back.
    await converge(servers, added);
    for (const key of keys) expect(await kv.get(key)).toBe(`${key}${value}`);
    let sum = 0;
    for (const server of servers) {
      expect((await shape(server)).open).toBe(0);
      if (await isPrimary(server)) sum += Number(await server.command('DBSIZE'));
    }
    expect(sum).toBe(keys.length);
  });

  it('nodes that come back under new ports are introduced again', async () => {
    farm = new RedisFarm();
    const servers = await farm.addCluster(3, nodeTimeoutMs);
    await converge(servers, [], 0);
    const kv = client(servers);
    await kv.set('a', '1');
    for (const server of servers) {
      await server.kill();
      server.port = await claimPortWithBus();
    }
    await Promise.all(servers.map((server) => server.start()));
    await converge(servers, [], 0);
    const moved = await shape(servers[0] as RedisServer);
    expect(moved.addresses).toEqual(servers.map((server) => server.address).sort());
    expect(await client(servers).get('a')).toBe('1');
  });

  it('follows ASK to a slot on its way, and says when too few replicas acknowledged', async () => {
    farm = new RedisFarm();
    const servers = await farm.addCluster(4, nodeTimeoutMs);
    await converge(servers);
    const metrics = createMetrics('test');
    const kv = clusterKv({ seeds: servers.map((server) => server.address), timeoutMs: 4_000, metrics });
    clients.push(kv);
    const from = await ownerOf('a', servers);
    const to = (await eventually(async () => {
      for (const server of servers) if (server !== from && (await isPrimary(server))) return server;
      return undefined;
    })) as RedisServer;
    const id = async (server: RedisServer) => String(await server.command('CLUSTER', 'MYID'));
    await to.command('CLUSTER', 'SETSLOT', keySlot('a'), 'IMPORTING', await id(from));
    await from.command('CLUSTER', 'SETSLOT', keySlot('a'), 'MIGRATING', await id(to));
    const script = defineScript("redis.call('SET', KEYS[1], ARGV[2]); return {ARGV[1], ARGV[2]}");
    const runId = /run_id:(\w+)/.exec(String(await to.command('INFO', 'server')))?.[1];
    expect(await kv.run(script, 'a', ['1'], { waitReplicas: 1, waitTimeoutMs: 4_000 })).toEqual([runId, '1']);
    expect(await kv.get('a')).toBe('1');
    expect(await metrics.getSingleMetricAsString('kv_retries_total')).toMatch(/reason="ASK".*} [1-9]/);
    await to.command('CLUSTER', 'SETSLOT', keySlot('a'), 'NODE', await id(to));
    await from.command('CLUSTER', 'SETSLOT', keySlot('a'), 'NODE', await id(to));
    await to.command('SCRIPT', 'FLUSH');
    expect(await kv.run(script, 'a', ['2'])).toEqual([runId, '2']);
    expect(await metrics.getSingleMetricAsString('kv_retries_total')).toMatch(/reason="MOVED".*} [1-9]/);

    // One WAIT covers all the writes that were sent while the one before it waited.
    const wait = { waitReplicas: 1, waitTimeoutMs: 4_000 };
    await Promise.all(Array.from({ length: 500 }, (_, index) => kv.set('a', String(index), wait)));
    const stats = String(await to.command('INFO', 'commandstats'));
    expect(Number(/cmdstat_wait:calls=(\d+)/.exec(stats)?.[1])).toBeLessThan(100);

    const tooMany = kv.run(script, 'a', ['3'], { waitReplicas: 2, waitTimeoutMs: 100 });
    await expect(tooMany).rejects.toEqual(new UnreplicatedError(2, 1));
    expect(await kv.get('a')).toBe('3');
    await expect(kv.run(defineScript('return redis.error_reply("MINE own")'), 'a', [])).rejects.toThrow('MINE own');
  });
});

/** What a client may see of a primary's death: no answer to what was in flight, or nobody to ask for a while. */
function isExpected(error: unknown): boolean {
  return error instanceof KvUnavailableError || error instanceof UnreplicatedError;
}
