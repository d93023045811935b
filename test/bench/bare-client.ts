/**
 * The least that an HTTP client in Node can do: the same bytes again as soon as anything comes back, which is counted and
 * not read. What it takes is the sockets' and Node's own part of any generator here: none can need less.
 */

import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/clock.ts';
import { clientCore, outputOf, start } from './side-by-side.ts';

export interface BareRun {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
}

/** CPU time of the whole process for an answer, in a process on the clients' core. */
export async function bareClientCpuUs(run: BareRun): Promise<number> {
  const script = fileURLToPath(import.meta.url);
  return Number(await outputOf(start(clientCore, [process.execPath, script, JSON.stringify(run)])));
}

async function measure({ port, connections, seconds }: BareRun): Promise<number> {
  const host = '127.0.0.1';
  const request = `GET / HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`;
  const buffer = Buffer.allocUnsafe(64 * 1024);
  let answers = 0;
  for (let i = 0; i < connections; i++) {
    const again = () => {
      answers += 1;
      socket.write(request, 'latin1');
      return true;
    };
    const socket = connect({ port, host, noDelay: true, onread: { buffer, callback: again } });
    socket.on('connect', again);
  }
  await systemClock.sleep(1000);
  const [usageBefore, answersBefore] = [process.cpuUsage(), answers];
  await systemClock.sleep(seconds * 1000);
  const { user, system } = process.cpuUsage(usageBefore);
  return (user + system) / (answers - answersBefore);
}

const [, script, run] = process.argv;
if (script === fileURLToPath(import.meta.url) && run !== undefined) {
  console.log(await measure(JSON.parse(run)));
  process.exit();
}
