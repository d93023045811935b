/**
 * What names and encryption cost a check of the rate limiter: CPU time of the service and of its server, in clear without
 * users, with users, and with users over TLS. The three run side by side and take turns; `npm run bench -- tls-cost`.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { issueCertificate } from '../../src/deploy/certificates.ts';
import { packageRoot } from '../../src/package-root.ts';
import { randomToken } from '../../src/random.ts';
import { storeUse } from '../../templates/rate-limiter/size.ts';
import { claimPort } from '../fixtures/ports.ts';
import { median, need, processCpuUs, short, spread } from './side-by-side.ts';
import { asEmitted } from './turns.ts';

const rounds = 9;
const checksPerRound = 15_000;
const concurrency = 32;
const serverName = 'store.internal';

interface Variant {
  readonly name: string;
  readonly redis: ChildProcess;
  readonly service: ChildProcess;
  readonly port: number;
  readonly serviceUs: number[];
  readonly redisUs: number[];
}

async function bundle(dir: string): Promise<string> {
  const outfile = join(dir, 'rate-limiter.mjs');
  const entry = join(packageRoot(), 'templates/rate-limiter/service/src/main.ts');
  await build({ ...asEmitted, entryPoints: [entry], outfile });
  const policy = { name: 'default', limit: 1_000_000, periodMs: 1000, burst: 1_000_000, onStoreFailure: 'closed' };
  writeFileSync(join(dir, 'policies.yaml'), JSON.stringify({ policies: [policy] }));
  return outfile;
}

interface Secured {
  readonly config: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

function users(): Secured {
  const password = randomToken(32);
  const commands = [...storeUse.scriptCommands, 'eval', 'evalsha', 'wait', 'info'].map((command) => `+${command}`);
  const config = [
    `user service on >${password} ~rl:* -@all ${commands.join(' ')}`,
    'user default on nopass -@all +ping',
  ];
  return { config, env: { KV_USER: 'service', KV_PASSWORD: password } };
}

async function encryption(dir: string): Promise<Secured> {
  const texts = await issueCertificate(serverName, Date.now());
  for (const name of ['ca.crt', 'tls.crt', 'tls.key'] as const) writeFileSync(join(dir, name), texts[name]);
  const config = [
    `tls-ca-cert-file ${join(dir, 'ca.crt')}`,
    `tls-cert-file ${join(dir, 'tls.crt')}`,
    `tls-key-file ${join(dir, 'tls.key')}`,
    'tls-auth-clients no',
  ];
  return { config, env: { KV_TLS_CA: texts['ca.crt'], KV_TLS_SERVER_NAME: serverName } };
}

async function startVariant(name: string, root: string, secured: readonly Secured[]): Promise<Variant> {
  const dir = join(root, name.replaceAll(' ', '-'));
  mkdirSync(dir);
  const [redisPort, port] = [await claimPort(), await claimPort()];
  const encrypted = secured.some(({ env }) => 'KV_TLS_CA' in env);
  const ports = encrypted ? ['port 0', `tls-port ${redisPort}`] : [`port ${redisPort}`];
  const config = ['bind 127.0.0.1', 'save ""', `dir ${dir}`, ...ports, ...secured.flatMap((each) => each.config)];
  writeFileSync(join(dir, 'redis.conf'), `${config.join('\n')}\n`, { mode: 0o600 });
  const redis = spawn('redis-server', [join(dir, 'redis.conf')], { stdio: 'ignore' });
  const env = {
    PATH: process.env.PATH,
    PORT: `${port}`,
    HOST: '127.0.0.1',
    LOG_LEVEL: 'error',
    POLICIES_FILE: join(root, 'policies.yaml'),
    BUCKETS: '16',
    KV_MODE: 'ring',
    KV_NODES: `127.0.0.1:${redisPort}`,
    KV_NAMES: 'only',
    KV_TIMEOUT_MS: '2000',
    ...Object.assign({}, ...secured.map((each) => each.env)),
  };
  const service = spawn(process.execPath, [join(root, 'rate-limiter.mjs')], {
    stdio: ['ignore', 'inherit', 'inherit'],
    env,
  });
  return { name, redis, service, port, serviceUs: [], redisUs: [] };
}

const agent = new Agent({ keepAlive: true, maxSockets: concurrency });

function post(port: number, path: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const asked = request({ host: '127.0.0.1', port, path, method: 'POST', agent, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

async function untilReady({ name, port }: Variant): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    const status = await post(port, '/v1/check', JSON.stringify({ policy: 'default', key: 'first' })).catch(() => 0);
    if (status === 200) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the limiter ${name} does not admit anybody`);
}

async function load({ name, port }: Variant, checks: number): Promise<void> {
  let sent = 0;
  const caller = async () => {
    while (sent < checks) {
      const body = JSON.stringify({ policy: 'default', key: `caller-${sent++ % 1000}` });
      const status = await post(port, '/v1/check', body);
      if (status !== 200) throw new Error(`${name}: a check was answered ${status}`);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
}

async function oneRound(variant: Variant): Promise<void> {
  const look = () => [variant.service, variant.redis].map(({ pid }) => processCpuUs(pid ?? 0) ?? 0);
  const [serviceFrom = 0, redisFrom = 0] = look();
  await load(variant, checksPerRound);
  const [serviceTo = 0, redisTo = 0] = look();
  variant.serviceUs.push((serviceTo - serviceFrom) / checksPerRound);
  variant.redisUs.push((redisTo - redisFrom) / checksPerRound);
}

function report(variants: readonly Variant[]): void {
  for (const { name, serviceUs, redisUs } of variants) {
    console.log(
      `${name}: service ${short(median(serviceUs))} µs (${spread(serviceUs)}), ` +
        `server ${short(median(redisUs))} µs (${spread(redisUs)}) of CPU a check`,
    );
  }
  const [plain, ...others] = variants as [Variant, ...Variant[]];
  for (const { name, serviceUs, redisUs } of others) {
    const ratios = serviceUs.map(
      (us, i) => (us + (redisUs[i] ?? 0)) / ((plain.serviceUs[i] ?? 0) + (plain.redisUs[i] ?? 0)),
    );
    console.log(`${name}: ${short(median(ratios))} × ${plain.name} in all (${spread(ratios)} over ${rounds} rounds)`);
  }
}

need('redis-server', 'apt install redis-server');
const root = mkdtempSync(join(tmpdir(), 'dsp-tls-cost-'));
const variants: Variant[] = [];
try {
  await bundle(root);
  const named = users();
  variants.push(await startVariant('in clear', root, []));
  variants.push(await startVariant('with users', root, [named]));
  variants.push(await startVariant('with users over TLS', root, [named, await encryption(root)]));
  for (const variant of variants) await untilReady(variant);
  for (const variant of variants) await load(variant, checksPerRound);
  for (let round = 0; round < rounds; round++) for (const variant of variants) await oneRound(variant);
  report(variants);
} finally {
  for (const { redis, service } of variants) {
    redis.kill('SIGKILL');
    service.kill('SIGKILL');
  }
  agent.destroy();
  rmSync(root, { recursive: true, force: true });
}
