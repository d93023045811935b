/** How dsp tells the fault proxy what to do. */

import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { controlPort } from '../instruments.ts';
import type { InstanceSpec } from '../resolve.ts';
import { tokenFile } from './files.ts';
import type { Counters, Disturbance, ProxyReply, ProxyRequest, Route } from './protocol.ts';

const answerWithinMs = 10_000;

/** A control connection; what was asked for on it ends with it. */
export class ProxyControl {
  readonly #socket: Socket;
  readonly #replies: AsyncIterator<string>;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#replies = createInterface({ input: socket })[Symbol.asyncIterator]();
  }

  /** Rejects when nobody answers there. */
  static async open(host: string, port: number, folder: string): Promise<ProxyControl> {
    const token = readFileSync(join(folder, tokenFile), 'utf8');
    const socket = connect({ host, port });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    socket.on('error', () => {});
    socket.write(`${token}\n`);
    return new ProxyControl(socket);
  }

  async setRoutes(routes: readonly Route[]): Promise<void> {
    await this.#ask({ kind: 'routes', routes });
  }

  disturb(disturbance: Disturbance): Promise<Counters> {
    return this.#ask({ kind: 'disturb', disturbance });
  }

  /** What it did in all. */
  lift(): Promise<Counters> {
    return this.#ask({ kind: 'lift' });
  }

  close(): void {
    this.#socket.destroy();
  }

  async #ask(request: ProxyRequest): Promise<Counters> {
    this.#socket.setTimeout(answerWithinMs, () => this.#socket.destroy());
    this.#socket.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#replies.next();
    this.#socket.setTimeout(0);
    if (done) throw new Error('the fault proxy closed the connection');
    const reply = JSON.parse(value) as ProxyReply;
    if (!reply.ok) throw new Error(`the fault proxy: ${reply.problem}`);
    return reply.counters;
  }
}

/** Of the deployment's proxy. Rejects when it does not answer. */
export function openProxy({ host, ports, cwd }: Pick<InstanceSpec, 'host' | 'ports' | 'cwd'>): Promise<ProxyControl> {
  return ProxyControl.open(host, ports[controlPort] ?? 0, cwd);
}
