/**
 * Entry of the control's thread: the least HTTP server there is. What it can't answer in time, on this machine at this
 * moment, nothing could.
 */

import { createServer, type Socket } from 'node:net';
import { parentPort } from 'node:worker_threads';

const answer = Buffer.from('HTTP/1.1 204 No Content\r\n\r\n');
const end = Buffer.from('\r\n\r\n');

/** Requests have no body and are not pipelined, so each ends with its head. */
function serve(socket: Socket): void {
  let held: Buffer = Buffer.alloc(0);
  socket.setNoDelay(true);
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes: Buffer) => {
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    if (held.indexOf(end) < 0) return;
    held = Buffer.alloc(0);
    socket.write(answer);
  });
}

/** Listens on a free port of this machine, and tells which. */
export function listenBare(onPort: (port: number) => void): void {
  const server = createServer(serve);
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    if (typeof address === 'object' && address !== null) onPort(address.port);
  });
}

const thread = parentPort;
if (thread !== null) listenBare((port) => thread.postMessage(port));
