/**
 * The load generator beside another one on the same server: requests per CPU-second, and the highest rate of one
 * thread. dsp works an open model, checks every body and keeps histograms and a history; the anchors do less.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bareClientCpuUs } from './bare-client.ts';
import { type Generated, generate } from './generate.ts';
import { startHelloServer } from './hello-server.ts';
import { ratioLine } from './side-by-side.ts';

export const connections = 50;
export const seconds = 3;
/** Somewhat more than dsp sent before, so that it always has a request to send, as the anchor in its closed loop does. */
const overload = 1.1;
/** Where nothing was sent before; more than one thread of dsp has ever sent. */
const firstPerSecond = 110_000;

export interface AnchorRun {
  readonly perSecond: number;
  readonly cpuUs: number;
}

export interface Anchor {
  readonly name: string;
  /** Fetches what it needs into `folder`; throws with the command that mends it. */
  prepare(folder: string): void;
  /** At its highest rate, on the clients' core. */
  run(port: number, folder: string): Promise<AnchorRun>;
}

/** One round is the anchor, then dsp, then the least that a client in Node takes; prints ratios over all of them. */
export async function compareGenerators(anchor: Anchor, rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'dsp-anchor-'));
  anchor.prepare(folder);
  const server = await startHelloServer();
  try {
    const { port } = server;
    const loaded = (perSecond: number) => generate({ port, perSecond, connections, seconds, arrivals: 'poisson' });
    await anchor.run(port, folder);
    const theirs: AnchorRun[] = [];
    const ours = [await loaded(firstPerSecond)];
    const bareUs: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const reached = await anchor.run(port, folder);
      const full = await loaded(overload * (ours.at(-1)?.perSecond ?? firstPerSecond));
      theirs.push(reached);
      ours.push(full);
      bareUs.push(await bareClientCpuUs({ port, connections, seconds }));
      console.log(`round ${round + 1}: ${anchor.name} ${JSON.stringify(reached)} dsp ${JSON.stringify(full)}`);
    }
    report(anchor.name, ours.slice(1), theirs, bareUs);
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(
  anchorName: string,
  ours: readonly Generated[],
  theirs: readonly AnchorRun[],
  bareUs: readonly number[],
): void {
  const theirCpuUs = theirs.map(({ cpuUs }) => cpuUs);
  const line = (name: string, unit: string, dsp: readonly number[], anchor: readonly number[]) =>
    console.log(ratioLine({ name, unit, anchorName, dsp, anchor }));
  const perCore = (cpuUs: readonly number[]) => cpuUs.map((us) => 1e6 / us);
  const threadUs = ours.map(({ threadCpuUs }) => threadCpuUs);
  const wholeUs = ours.map(({ cpuUs }) => cpuUs);
  line('requests per CPU-second, generator thread', '/s', perCore(threadUs), perCore(theirCpuUs));
  line('requests per CPU-second, whole process', '/s', perCore(wholeUs), perCore(theirCpuUs));
  line('requests per CPU-second, the least that a client in Node takes', '/s', perCore(bareUs), perCore(theirCpuUs));
  line('CPU time of a request, generator thread', 'µs', threadUs, theirCpuUs);
  line(
    'highest rate',
    '/s',
    ours.map(({ perSecond }) => perSecond),
    theirs.map(({ perSecond }) => perSecond),
  );
}

/** The rounds that the command line asks for. */
export function roundsAsked(): number {
  return Number(process.argv[2] ?? 5);
}
