import { EventEmitter, once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { type App, type ProcessHost, runService } from './lifecycle.ts';

class FakeHost extends EventEmitter implements ProcessHost {
  readonly env: Record<string, string>;
  readonly exits: number[] = [];

  constructor(env: Record<string, string> = {}) {
    super();
    this.env = { HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'silent', START_WAIT_MS: '200', ...env };
  }

  exit(code: number): void {
    this.exits.push(code);
    this.emit('exited');
  }

  async exited(): Promise<number | undefined> {
    if (this.exits.length === 0) await once(this, 'exited');
    return this.exits[0];
  }
}

interface Answer {
  readonly status: number | undefined;
  readonly connection: string | undefined;
  readonly body: string;
}

async function ask(port: number, path: string, agent = new Agent()): Promise<Answer> {
  const [response] = (await once(get({ port, path, agent, host: '127.0.0.1' }), 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode, connection: response.headers.connection, body };
}

/** A service whose requests to /slow wait until they are let go. */
async function start(env: Record<string, string> = {}, failure?: Error) {
  const host = new FakeHost(env);
  const events: string[] = [];
  const held: (() => void)[] = [];
  const arrivals = new EventEmitter();
  const app: App = (request, response) => {
    const answer = () => {
      events.push('answered');
      response.end('hello');
    };
    if (request.url !== '/slow') return answer();
    held.push(answer);
    arrivals.emit('slow');
  };
  const service = {
    app,
    async ready() {
      if (failure) throw failure;
    },
    async close() {
      events.push('closed');
    },
  };
  const { port } = await runService({ name: 'test', build: () => service }, host);
  return { host, events, held, arrivals, port };
}

describe('a service', () => {
  it('lets nobody in before it is ready for the first time', async () => {
    const host = new FakeHost();
    let asked = 0;
    const service = {
      app: ((_, response) => response.end(`${asked}`)) as App,
      ready: async () => {
        asked++;
        if (asked < 4) throw new Error('not yet');
      },
      close: async () => undefined,
    };
    const { port } = await runService({ name: 'test', build: () => service }, host);
    expect(await ask(port, '/any')).toMatchObject({ status: 200, body: '4' });
  });

  it.each([
    ['is not ready', () => Promise.reject(new Error('never'))],
    ['does not say whether it is', () => new Promise<never>(() => undefined)],
  ])('listens after a while all the same when it %s', async (_, ready) => {
    const host = new FakeHost({ START_WAIT_MS: '50' });
    const service = { app: ((_, response) => response.end('as it can')) as App, ready, close: async () => undefined };
    const { port } = await runService({ name: 'test', build: () => service }, host);
    expect(await ask(port, '/any')).toMatchObject({ status: 200, body: 'as it can' });
  });

  it('serves its own paths beside the service’s', async () => {
    const { port } = await start();
    expect(await ask(port, '/livez')).toMatchObject({ status: 200 });
    expect(await ask(port, '/readyz')).toMatchObject({ status: 200 });
    expect(await ask(port, '/any')).toMatchObject({ status: 200, body: 'hello' });
    // A request is counted when its answer has left, which is not before the asker has it.
    await expect
      .poll(async () => (await ask(port, '/metrics')).body)
      .toMatch(/http_server_request_duration_seconds_count\{[^}]*status="200"[^}]*\} 1\n/);
    expect((await ask(port, '/metrics')).body).toContain('process_cpu_seconds_total');
  });

  it('is not ready while the service is not, and says why', async () => {
    const { port } = await start({}, new Error('3 slots have no owner'));
    expect(await ask(port, '/readyz')).toMatchObject({ status: 503, body: 'not ready: 3 slots have no owner\n' });
    expect(await ask(port, '/livez')).toMatchObject({ status: 200 });
  });

  it('drains: not ready first, then answers what is in flight, then closes, then exits 0', async () => {
    const { host, events, held, arrivals, port } = await start({ DRAIN_DELAY_MS: '300' });
    const agent = new Agent({ keepAlive: true });
    const arrived = once(arrivals, 'slow');
    const slow = ask(port, '/slow', agent);
    await arrived;
    host.emit('SIGTERM', 'SIGTERM');
    expect(await ask(port, '/readyz')).toMatchObject({ status: 503, body: 'draining\n' });
    expect(await ask(port, '/late', agent)).toMatchObject({ status: 200, connection: 'close' });
    expect(host.exits).toEqual([]);
    held[0]?.();
    expect(await slow).toMatchObject({ status: 200, connection: 'close', body: 'hello' });
    expect(await host.exited()).toBe(0);
    expect(events).toEqual(['answered', 'answered', 'closed']);
    await expect(ask(port, '/livez')).rejects.toThrow('ECONNREFUSED');
  });

  it('cuts off what is in flight at the time-out, and closes all the same', async () => {
    const { host, events, arrivals, port } = await start({ DRAIN_TIMEOUT_MS: '100' });
    const arrived = once(arrivals, 'slow');
    const slow = ask(port, '/slow').catch((error: Error) => error.message);
    await arrived;
    host.emit('SIGTERM', 'SIGTERM');
    expect(await host.exited()).toBe(0);
    expect(await slow).toBe('socket hang up');
    expect(events).toEqual(['closed']);
  });

  it('ends at once on a second signal', async () => {
    const { host, arrivals, port } = await start();
    const arrived = once(arrivals, 'slow');
    ask(port, '/slow').catch(() => {});
    await arrived;
    host.emit('SIGTERM', 'SIGTERM');
    expect(host.exits).toEqual([]);
    host.emit('SIGINT', 'SIGINT');
    expect(host.exits).toEqual([1]);
  });

  it('exits 1 on an error that nobody caught', async () => {
    const { host } = await start();
    host.emit('unhandledRejection', new Error('defect'));
    expect(host.exits).toEqual([1]);
  });

  it('exits 1 when it cannot start', async () => {
    const noPort = new FakeHost({ PORT: '' });
    await expect(
      runService({ name: 'test', build: () => Promise.reject(new Error('never built')) }, noPort),
    ).rejects.toThrow('PORT');
    expect(noPort.exits).toEqual([1]);
    const { port } = await start();
    const taken = new FakeHost({ PORT: String(port) });
    const service = { app: () => {}, ready: async () => {}, close: async () => {} };
    await expect(runService({ name: 'test', build: () => service }, taken)).rejects.toThrow('EADDRINUSE');
    expect(taken.exits).toEqual([1]);
  });
});
