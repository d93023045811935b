import { systemClock } from '@dsp/kit/clock';
import { HotKeys } from '@dsp/kit/hot-keys';
import { type KvClient, KvUnavailableError, UnreplicatedError, type WaitOptions } from '@dsp/kit/kv';
import { describe, expect, it } from 'vitest';
import { createApp } from './app.ts';

/** A store in a map, which remembers what its writes were to wait for, and fails when told to. */
class FakeKv implements KvClient {
  readonly items = new Map<string, Buffer>();
  readonly waits: WaitOptions[] = [];
  failure: Error | undefined;

  async ready() {}
  async close() {}
  async run() {}

  async get(key: string) {
    return (await this.getBuffer(key))?.toString() ?? null;
  }

  async getBuffer(key: string) {
    if (this.failure) throw this.failure;
    return this.items.get(key) ?? null;
  }

  async set(key: string, value: string | Buffer, options: WaitOptions = {}) {
    if (this.failure) throw this.failure;
    this.waits.push(options);
    this.items.set(key, Buffer.from(value));
  }

  async delete(key: string, options: WaitOptions = {}) {
    if (this.failure) throw this.failure;
    this.waits.push(options);
    return this.items.delete(key);
  }
}

function setUp() {
  const kv = new FakeKv();
  const defects: Error[] = [];
  const app = createApp({
    kv,
    hotKeys: new HotKeys({ clock: systemClock }),
    wait: { waitReplicas: 1, waitTimeoutMs: 50 },
    maxValueBytes: 1_000,
    onDefect: (error) => defects.push(error),
  });
  return { app, kv, defects };
}

describe('items', () => {
  it('are written, read and deleted byte for byte', async () => {
    const { app, kv } = setUp();
    const value = Buffer.from([0, 255, 128, 13, 10]);
    const url = '/v1/items/a%2Fb%20%C3%A9';
    expect((await app.inject({ method: 'GET', url })).statusCode).toBe(404);
    const put = await app.inject({ method: 'PUT', url, payload: value, headers: { 'content-type': 'image/png' } });
    expect([put.statusCode, put.body]).toEqual([204, '']);
    expect([...kv.items.keys()]).toEqual(['item:a/b é']);
    const get = await app.inject({ method: 'GET', url });
    expect(get.statusCode).toBe(200);
    expect(get.rawPayload).toEqual(value);
    expect((await app.inject({ method: 'DELETE', url })).statusCode).toBe(204);
    expect((await app.inject({ method: 'DELETE', url })).statusCode).toBe(404);
    expect(kv.waits).toEqual(Array(3).fill({ waitReplicas: 1, waitTimeoutMs: 50 }));
  });

  it('may be empty, and a body is taken as it is, whatever its type', async () => {
    const { app, kv } = setUp();
    expect((await app.inject({ method: 'PUT', url: '/v1/items/a' })).statusCode).toBe(204);
    expect(kv.items.get('item:a')).toEqual(Buffer.alloc(0));
    const headers = { 'content-type': 'application/json' };
    const put = await app.inject({ method: 'PUT', url: '/v1/items/a', payload: '{not json', headers });
    expect(put.statusCode).toBe(204);
    expect((await app.inject({ method: 'GET', url: '/v1/items/a' })).body).toBe('{not json');
  });

  it('are refused when the key or the value is too long', async () => {
    const { app, kv } = setUp();
    const put = (key: string, bytes: number) =>
      app.inject({ method: 'PUT', url: `/v1/items/${key}`, payload: Buffer.alloc(bytes) });
    expect((await put('k'.repeat(512), 1_000)).statusCode).toBe(204);
    expect((await put('k'.repeat(513), 1)).statusCode).toBe(400);
    expect((await put('%C3%A9'.repeat(257), 1)).statusCode).toBe(400);
    expect((await put('', 1)).statusCode).toBe(400);
    expect((await put('a', 1_001)).statusCode).toBe(413);
    expect((await put('%zz', 1)).statusCode).toBe(400);
    expect(kv.items.size).toBe(1);
  });

  it('are counted by key', async () => {
    const { app } = setUp();
    for (const key of ['a', 'b', 'a']) await app.inject({ method: 'GET', url: `/v1/items/${key}` });
    const hot = (await app.inject({ method: 'GET', url: '/v1/hot-keys' })).json();
    expect(hot).toMatchObject({ total: 3, errorBound: 0, keys: [{ key: 'a', count: 2 }, { key: 'b' }] });
  });
});

describe('a store that fails', () => {
  it.each([
    [new KvUnavailableError('down', false), 503, 'not done'],
    [new KvUnavailableError('silent', true), 504, 'unknown'],
    [new UnreplicatedError(1, 0), 504, 'unknown'],
    [new Error('WRONGTYPE'), 500, 'unknown'],
  ])('with %s answers %i, outcome %s', async (failure, status, outcome) => {
    const { app, kv, defects } = setUp();
    kv.failure = failure;
    for (const method of ['PUT', 'DELETE'] as const) {
      const answer = await app.inject({ method, url: '/v1/items/a', payload: 'x' });
      expect(answer.statusCode).toBe(status);
      expect(answer.json().outcome).toBe(outcome);
      expect(answer.headers['retry-after']).toBe(status === 503 ? '1' : undefined);
    }
    expect(defects.length).toBe(status === 500 ? 2 : 0);
  });
});
