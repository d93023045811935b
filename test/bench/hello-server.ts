/**
 * The server that generators are compared on: nginx with one worker on a core of its own, which answers every path
 * with a constant body. It costs less than any generator here, so that the generator is what a bench measures.
 */

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../src/clock.ts';
import { claimPort } from '../fixtures/ports.ts';
import { need, serverCore, start } from './side-by-side.ts';

/** What every answer must hold. */
export const greeting = 'hello, world';

export interface HelloServer {
  readonly port: number;
  /** Its processes, master first. */
  readonly pid: number;
  stop(): Promise<void>;
}

/** Throws when nginx is not on PATH. */
export async function startHelloServer(): Promise<HelloServer> {
  need('nginx', 'apt-get install --no-install-recommends nginx-light');
  const folder = mkdtempSync(join(tmpdir(), 'dsp-bench-'));
  const port = await claimPort();
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, configuration(folder, port));
  const child = start(serverCore, ['nginx', '-p', folder, '-c', file]);
  await untilListening(port, child);
  return {
    port,
    pid: child.pid ?? 0,
    async stop() {
      child.kill();
      if (child.exitCode === null) await once(child, 'exit');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configuration(folder: string, port: number): string {
  const bodies = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `daemon off;
master_process off;
pid ${folder}/pid;
error_log stderr crit;
events { worker_connections 2048; }
http {
  access_log off;
  keepalive_requests 1000000000;
${bodies.map((kind) => `  ${kind}_temp_path ${folder}/${kind};`).join('\n')}
  server {
    listen 127.0.0.1:${port};
    location / { return 200 "${greeting}"; }
  }
}
`;
}

async function untilListening(port: number, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const socket = connect(port, '127.0.0.1');
    const connected = await Promise.race([
      once(socket, 'connect').then(
        () => true,
        () => false,
      ),
      systemClock.sleep(1000).then(() => false),
    ]);
    socket.destroy();
    if (connected) return;
    if (child.exitCode !== null) break;
    await systemClock.sleep(50);
  }
  throw new Error('the server does not listen');
}
