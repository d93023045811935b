/**
 * How fast this machine is now. Service times that were measured on one machine say little of another, and on shared ones
 * little of the next hour: what a visit takes there and here is as the CPU time of one round trip over the loopback, which is
 * like a visit made of the kernel's part of a read and a write, a turn of the event loop, and some code.
 */

import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../clock.ts';

const connections = 16;
const warmMs = 1000;
const lookMs = 1500;
const question = Buffer.from('GET /v1/items/0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
const answer = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');

/** CPU time in µs of one round trip of this process with itself; it should do nothing else meanwhile. */
export async function roundTripUs(clock: Clock, signal: AbortSignal): Promise<number> {
  const sockets: Socket[] = [];
  const kept = (socket: Socket): Socket => {
    sockets.push(socket);
    // Whichever end is closed first resets the other.
    return socket.on('error', () => socket.destroy());
  };
  let answers = 0;
  const server = createServer((socket) => {
    kept(socket).on('data', () => socket.write(answer));
  });
  const port = await listening(server);
  try {
    for (let i = 0; i < connections; i++) {
      const socket = kept(connect({ port, host: '127.0.0.1', noDelay: true }));
      socket.on('connect', () => socket.write(question));
      socket.on('data', () => {
        answers += 1;
        socket.write(question);
      });
    }
    await clock.sleep(warmMs, signal);
    const [before, answersBefore] = [process.cpuUsage(), answers];
    await clock.sleep(lookMs, signal);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / Math.max(1, answers - answersBefore);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (typeof address === 'object' && address !== null) resolve(address.port);
    });
  });
}
