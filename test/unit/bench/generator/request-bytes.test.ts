import { describe, expect, it } from 'vitest';
import { requestEncoder } from '../../../../src/bench/generator/request-bytes.ts';
import type { WorkloadRequest } from '../../../../src/bench/generator/workload.ts';

const encode = requestEncoder('127.0.0.1:8080');
const base: WorkloadRequest = { operation: 'o', method: 'GET', path: '/a', key: 'k', value: 0 };
const text = (request: Partial<WorkloadRequest>) => encode({ ...base, ...request }).toString();

describe('requestEncoder', () => {
  it('writes a request without a body', () => {
    expect(text({})).toBe('GET /a HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n');
    expect(text({ method: 'POST' })).toBe('POST /a HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 0\r\n\r\n');
  });

  it('counts the bytes of a body, not its characters', () => {
    const headers = { 'Content-Type': 'text/plain' };
    expect(text({ method: 'PUT', headers, body: 'ä€' })).toBe(
      'PUT /a HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nä€',
    );
    // A string is written as latin1, which is the same bytes only for ASCII.
    expect(encode({ ...base, method: 'PUT', body: 'ä' })).toBeInstanceOf(Buffer);
    expect(typeof encode({ ...base, method: 'PUT', body: 'a' })).toBe('string');
  });

  it('keeps the headers of one request apart from those of another', () => {
    expect(text({ headers: { A: '1' } })).toContain('A: 1');
    expect(text({ headers: { A: '2' } })).toContain('A: 2');
    expect(text({})).not.toContain('A:');
  });

  const hostile: readonly Partial<WorkloadRequest>[] = [
    { path: 'a' },
    { path: '/a b' },
    { path: '/a\r\nX: y' },
    { path: '/ä' },
    { headers: { 'X Y': '1' } },
    { headers: { X: '1\r\nY: 2' } },
  ];
  it.each(hostile)('refuses what could end its line: %j', (request) => {
    expect(() => text(request)).toThrow(RangeError);
  });
});
