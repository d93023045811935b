/**
 * `npm run bench -- send-time [perSecond] [rounds]`: how late requests leave at half of what a thread sends, beside a
 * bare loop that does nothing but look at the clock, on the same core in turns: what that is late by, the machine is.
 */

import { fileURLToPath } from 'node:url';
import { Hdr } from '../../src/bench/generator/hdr.ts';
import { createPacer } from '../../src/bench/generator/pacer.ts';
import { systemClock } from '../../src/clock.ts';
import { seededRandom } from '../../src/random.ts';
import { type Generated, generate } from './generate.ts';
import { startHelloServer } from './hello-server.ts';
import { clientCore, median, outputOf, short, spread, start } from './side-by-side.ts';

const script = fileURLToPath(import.meta.url);
const seconds = 3;

/** p99 in µs of how late a loop sees that an arrival is due. */
function bareLoop(perSecond: number): number {
  const pacer = createPacer({ arrivals: 'poisson', ratePerSecond: perSecond, random: seededRandom(1) });
  const lag = new Hdr();
  const startMs = systemClock.monotonicMs();
  while (pacer.nextMs < seconds * 1000) {
    const nowMs = systemClock.monotonicMs() - startMs;
    while (pacer.nextMs <= nowMs) lag.record(nowMs - pacer.take());
  }
  return 1000 * (lag.quantileMs(0.99) ?? Number.NaN);
}

async function compare(perSecond: number, rounds: number): Promise<void> {
  const server = await startHelloServer();
  const bare: number[] = [];
  const ours: Generated[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      bare.push(Number(await outputOf(start(clientCore, [process.execPath, script, 'bare', String(perSecond)]))));
      ours.push(await generate({ port: server.port, perSecond, connections: 50, seconds, arrivals: 'poisson' }));
    }
  } finally {
    await server.stop();
  }
  const p99 = ours.map(({ lagP99Us }) => lagP99Us);
  const p50 = ours.map(({ lagP50Us }) => lagP50Us);
  console.log(`at ${perSecond} requests a second, ${rounds} rounds:`);
  console.log(`send-time error p50: dsp ${short(median(p50))} µs (${spread(p50)})`);
  console.log(`send-time error p99: dsp ${short(median(p99))} µs (${spread(p99)})`);
  console.log(`bare loop p99: ${short(median(bare))} µs (${spread(bare)})`);
}

const [first, second] = process.argv.slice(2);
if (first === 'bare') console.log(bareLoop(Number(second)));
else await compare(Number(first ?? 40_000), Number(second ?? 5));
