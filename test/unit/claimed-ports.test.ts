import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it, onTestFinished } from 'vitest';
import { portRange } from '../../src/deploy/local/ports.ts';
import { ephemeralPortStart, readProcess } from '../../src/deploy/local/procfs.ts';
import { claimAmong, claimPort, claimPortWithBus } from '../fixtures/ports.ts';
import { temporaryFolder } from '../fixtures/temporary-folder.ts';

/** Ports that no test outside of this one is given. */
async function ownPorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await claimPort());
  return ports;
}

const alone = (ports: readonly number[]) => ports.map((port) => [port]);

async function listen(port: number): Promise<void> {
  const server = createServer().listen(port, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
}

/** A program that claims so many ports at once, prints them, and ends when its input does. */
async function bundleClaimer(): Promise<string> {
  const outfile = join(temporaryFolder('claimer'), 'claimer.mjs');
  const contents = `import { claimAmong } from './test/fixtures/ports.ts';
    const [candidates, folder, count] = JSON.parse(process.argv[2]);
    const claimed = await Promise.all(Array.from({ length: count }, () => claimAmong(candidates, folder)));
    console.log(JSON.stringify(claimed));
    process.stdin.resume();`;
  const resolveDir = fileURLToPath(new URL('../..', import.meta.url));
  await build({ stdin: { contents, resolveDir }, outfile, bundle: true, platform: 'node', format: 'esm' });
  return outfile;
}

interface Claimer {
  readonly child: ChildProcess;
  readonly ports: readonly number[];
}

async function startClaimer(program: string, ports: readonly number[], folder: string): Promise<Claimer> {
  const request = JSON.stringify([alone(ports), folder, 3]);
  const child = spawn(process.execPath, [program, request], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(child.stdout, 'data');
  return { child, ports: JSON.parse(String(line)) };
}

describe('a claimed port', () => {
  it('is one process’s until that ends, killed or not', async () => {
    const folder = temporaryFolder('claims');
    const ports = await ownPorts(12);
    const program = await bundleClaimer();
    const claimers = await Promise.all([1, 2, 3, 4].map(() => startClaimer(program, ports, folder)));
    expect(claimers.flatMap((claimer) => claimer.ports).sort()).toEqual([...ports].sort());
    await expect(claimAmong(alone(ports), folder)).rejects.toThrow('no port is left');

    const [killed, ...others] = claimers as [Claimer, ...Claimer[]];
    killed.child.kill('SIGKILL');
    await once(killed.child, 'exit');
    const takenOver = [1, 2, 3].map(() => claimAmong(alone(ports), folder));
    expect((await Promise.all(takenOver)).sort()).toEqual([...killed.ports].sort());
    await expect(claimAmong(alone(ports), folder)).rejects.toThrow('no port is left');

    const [first, ...rest] = others as [Claimer, ...Claimer[]];
    first.child.kill('SIGTERM');
    for (const { child } of rest) child.stdin?.end();
    await Promise.all(others.map(({ child }) => child.exitCode ?? child.signalCode ?? once(child, 'exit')));
    expect(first.child.signalCode).toBe('SIGTERM');
    expect(readdirSync(folder).sort()).toEqual([...killed.ports].sort().map(String));
  });

  it('is taken over from one whose pid is another’s now, or who never finished its claim', async () => {
    const folder = temporaryFolder('claims');
    const [reused, unfinished] = (await ownPorts(2)) as [number, number];
    const { pid, startTicks } = readProcess(process.pid)!;
    writeFileSync(join(folder, String(reused)), JSON.stringify({ pid, startTicks: startTicks - 1 }));
    writeFileSync(join(folder, String(unfinished)), '');
    expect(await claimAmong([[reused]], folder)).toBe(reused);
    expect(await claimAmong([[unfinished]], folder)).toBe(unfinished);
  });

  it('is free, as is what is claimed with it', async () => {
    const folder = temporaryFolder('claims');
    const [port, bus, listened, last] = (await ownPorts(4)) as [number, number, number, number];
    await listen(listened);
    const candidates = [[listened], [port, listened], [port, bus], [bus, last], [last]];
    expect(await claimAmong(candidates, folder)).toBe(port);
    expect(await claimAmong(candidates, folder)).toBe(last);
    expect(readdirSync(folder).sort()).toEqual([port, bus, last].map(String).sort());
  });

  it('is none that a deployment or the kernel takes', async () => {
    const highest = Math.max(await claimPort(), (await claimPortWithBus()) + 10_000);
    expect(highest).toBeLessThan(portRange(ephemeralPortStart()).from);
  });
});
