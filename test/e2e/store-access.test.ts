/** Who may do what on a deployed store, in clear and over TLS, with real servers. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.ts';
import type { Deployment, Instance } from '../../src/deploy/deployment.ts';
import { faultAccess } from '../../src/deploy/local/faults.ts';
import { pathsOf } from '../../src/deploy/local/paths.ts';
import { readSecrets, withAccess } from '../../src/deploy/local/secrets.ts';
import { readStatus } from '../../src/deploy/local/status.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { clusterKv } from '../../templates/kit/src/kv-cluster.ts';
import { createLog } from '../../templates/kit/src/log.ts';
import type { RedisAccess } from '../../templates/kit/src/redis-access.ts';
import { type Argument, RedisConnection } from '../../templates/kit/src/redis-connection.ts';
import { faultTargets, probe } from '../../templates/sharded-redis/probe.ts';
import { reconcile } from '../../templates/sharded-redis/service/src/reconcile.ts';
import { redis } from './deploy-fixture.ts';
import { eventually, onPath } from './kv-redis.ts';
import { deployPlan, destroyProject, discardProject, makeStoreProject, storePlan } from './store-fixture.ts';

const timeoutMs = 5_000;

describe.skipIf(!onPath('redis-server')).each([
  { speech: 'in clear', tls: false },
  { speech: 'over TLS', tls: true },
])('a deployed store, $speech (needs redis-server on PATH)', ({ tls }) => {
  let plan: Plan;
  let root: string;
  let deployment: Deployment;
  const servers = () => deployment.instances.filter(({ kind }) => kind === 'engine');
  const addressOf = ({ host, ports }: Instance) => `${host}:${ports.redis}`;
  const secrets = () => readSecrets(pathsOf(root));

  beforeAll(async () => {
    plan = storePlan({ tls });
    root = await makeStoreProject(plan);
    deployment = await deployPlan(root, plan);
  });
  afterAll(() => discardProject(root));

  function accessAs(user: string | null): RedisAccess {
    const ca = secrets()['store-tls']?.['ca.crt'];
    return {
      ...(user === null ? {} : { user: { name: user, password: secrets()[`store-${user}`]?.password ?? '' } }),
      ...(ca === undefined ? {} : { tls: { ca, serverName: 'store.internal' } }),
    };
  }

  /** The answer to one command of a user: a value, or the first word of the error. */
  async function ask(user: string, ...[name = '', ...args]: readonly string[]): Promise<unknown> {
    for (const server of servers()) {
      const connection = await RedisConnection.open(addressOf(server), timeoutMs, systemClock, accessAs(user));
      const answer = await connection.send({ name, args: args as Argument[] }, timeoutMs);
      connection.close();
      if (answer.kind === 'reply') return answer.value;
      if (answer.kind !== 'error') throw new Error(answer.reason);
      const code = /^\w+/.exec(answer.error.message)?.[0] ?? '';
      if (code !== 'MOVED') return code;
    }
    return 'MOVED everywhere';
  }

  it.each([
    ['service', ['SET', 'item:a', '1'], 'OK'],
    ['service', ['GET', 'item:a'], '1'],
    ['service', ['DEL', 'item:a'], 1],
    ['service', ['SET', 'rl:a', '1'], 'NOPERM'],
    ['service', ['EVAL', 'return 1', '0'], 'NOPERM'],
    ['service', ['KEYS', '*'], 'NOPERM'],
    ['service', ['FLUSHALL'], 'NOPERM'],
    ['service', ['CONFIG', 'GET', '*'], 'NOPERM'],
    ['service', ['CLUSTER', 'RESET'], 'NOPERM'],
    ['service', ['INFO', 'replication'], 'NOPERM'],
    ['service', ['ACL', 'LIST'], 'NOPERM'],
    ['observer', ['GET', 'item:a'], 'NOPERM'],
    ['observer', ['CLUSTER', 'FAILOVER'], 'NOPERM'],
    ['observer', ['CLUSTER', 'GETKEYSINSLOT', '1', '1'], 'NOPERM'],
    ['converge', ['GET', 'item:a'], 'NOPERM'],
    ['converge', ['CONFIG', 'SET', 'dir', '/'], 'NOPERM'],
    ['converge', ['SCRIPT', 'FLUSH'], 'NOPERM'],
  ])('lets %s do %j: %s', async (user, command, expected) => {
    expect(await ask(user, ...command)).toBe(expected);
  });

  it('lets a replica replicate, and whoever has no name ask whether it is there', async () => {
    const [address] = servers().map(addressOf) as [string];
    const nobody = RedisConnection.open(address, timeoutMs, systemClock, accessAs(null));
    await expect(nobody).rejects.toThrow(`${address}: user default may not do this: NOPERM`);
    const replica = RedisConnection.open(address, timeoutMs, systemClock, accessAs('replication'));
    await expect(replica).rejects.toThrow('user replication may not do this');
    const status = await readStatus(root, systemClock);
    expect(status?.instances.map(({ reason }) => reason)).toEqual(deployment.instances.map(() => null));
    const roles = (await probe(withAccess(deployment).instances)) as unknown as {
      servers: readonly { role: string; mode: string; state: string; orphanKeys: number }[];
    };
    expect(roles.servers.map(({ role }) => role).sort()).toEqual(
      servers().map((_, index) => (index < 3 ? 'primary' : 'replica')),
    );
    for (const server of roles.servers) expect(server).toMatchObject({ mode: 'cluster', state: 'ok', orphanKeys: 0 });
  });

  it('tells a wrong password from a server that is away', async () => {
    const wrong = { ...accessAs('service'), user: { name: 'service', password: 'wrong' } };
    const seeds = servers().map(addressOf);
    const kv = clusterKv({ seeds, timeoutMs, access: wrong });
    await expect(kv.ready()).rejects.toThrow('the password of user service is refused');
    await expect(kv.get('item:a')).rejects.toThrow();
    await kv.close();
    const converging = reconcile({
      nodes: seeds,
      replicasPerPrimary: 1,
      leaving: [],
      nodeTimeoutMs: 1_000,
      timeoutMs: 1_000,
      access: { ...wrong, user: { name: 'converge', password: 'wrong' } },
      clock: systemClock,
      log: createLog('test', { LOG_LEVEL: 'silent' }),
    });
    await expect(converging).rejects.toThrow('the password of user converge is refused');
  });

  it('shows its secrets to nobody: not in arguments, records, logs, plan or project', () => {
    const texts = Object.values(secrets()).flatMap(({ password, 'tls.key': key }) => password ?? key ?? []);
    expect(texts).toHaveLength(tls ? 6 : 5);
    const secretParts = texts.map((text) => text.replace(/-----.*-----|\s/g, '').slice(0, 60));
    const shows = (text: string) => secretParts.some((part) => text.replace(/\s/g, '').includes(part));
    expect(shows(texts.join(''))).toBe(true);
    const privateFiles = filesUnder(root).filter((path) => shows(readFileSync(path, 'latin1')));
    expect(privateFiles.length).toBeGreaterThan(1);
    for (const path of privateFiles) {
      expect(path).toMatch(/\.dsp\/data\/(secrets\.json|store-redis-\d\/\.secrets\/(access\.conf|tls\.key))$/);
      expect((statSync(path).mode & 0o777).toString(8)).toBe('600');
    }
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    expect(pids.map(argumentsOf).filter(shows)).toEqual([]);
  });

  it('serves, also after a primary was killed and started again', async () => {
    const item = `${deployment.endpoints.store}/v1/items/kept`;
    expect((await fetch(item, { method: 'PUT', body: 'value' })).status).toBe(204);
    const primaries = faultTargets.find(({ role }) => role === 'primary');
    const [victim = ''] = (await primaries?.find(withAccess(deployment).instances)) ?? [];
    const faults = faultAccess(root, systemClock);
    expect((await faults.kill(victim)).hit).toBe(true);
    await eventually(async () => (await (await fetch(item)).text()) === 'value');
    expect((await faults.restart(victim)).hit).toBe(true);
    await eventually(async () => (await faultTargets[0]?.find(withAccess(deployment).instances))?.length === 3);
  });

  it('keeps its secrets with its data, and makes others when both are gone', async () => {
    const before = secrets();
    await destroyProject(root, true);
    deployment = await deployPlan(root, plan);
    expect(secrets()).toEqual(before);
    expect(await (await fetch(`${deployment.endpoints.store}/v1/items/kept`)).text()).toBe('value');
    await destroyProject(root);
    expect(secrets()).toEqual({});
    deployment = await deployPlan(root, plan);
    expect(secrets()['store-service']?.password).not.toBe(before['store-service']?.password);
  });

  it('grows with the secrets that it has, and moves keys as its users', async () => {
    const before = secrets();
    const items = Array.from({ length: 50 }, (_, index) => `${deployment.endpoints.store}/v1/items/n${index}`);
    for (const item of items) expect((await fetch(item, { method: 'PUT', body: item })).status).toBe(204);
    deployment = await deployPlan(root, storePlan({ tls, minShards: 4 }, { name: 'grown' }));
    expect(secrets()).toEqual(before);
    for (const item of items) expect(await (await fetch(item)).text()).toBe(item);
    expect(await faultTargets[0]?.find(withAccess(deployment).instances)).toHaveLength(4);
  });

  it.runIf(tls)('hears nobody in clear, and only its own on the bus', async () => {
    const [server] = servers() as [Instance];
    const port = server.ports.redis as number;
    const inClear = redis(port, 'PING').catch((error: Error) => error.message);
    expect(await Promise.race([inClear, systemClock.sleep(2_000).then(() => 'silence')])).not.toBe('+PONG');
    const other = { tls: { ca: readFileSync(join(root, 'parts/store/redis.conf'), 'utf8'), serverName: 'x' } };
    const trusted = accessAs('service').tls as NonNullable<RedisAccess['tls']>;
    const open = (access: RedisAccess) => RedisConnection.open(addressOf(server), timeoutMs, systemClock, access);
    await expect(open({ tls: { ...trusted, serverName: 'other.internal' } })).rejects.toThrow(
      'its certificate is not for other.internal',
    );
    await expect(open(other)).rejects.toThrow();
    await expect(open({})).rejects.toThrow();
    // The bus wants a certificate from whoever calls.
    const bus = await new Promise<string>((resolve) => {
      const options = { host: server.host, port: port + 10_000, ca: trusted.ca, servername: trusted.serverName };
      const socket = connectTls(options, () => socket.write('hello'));
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      socket.on('close', () => resolve('closed'));
      socket.setTimeout(3_000, () => resolve('still open'));
    });
    expect(bus).toMatch(/CERTIFICATE_REQUIRED|ECONNRESET|HANDSHAKE/);
  });
});

function filesUnder(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function argumentsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
}
