/** Requests as bytes. What does not change between requests of one kind is put together once. */

import type { WorkloadRequest } from './workload.ts';

/** Encodes the requests to one host. Throws RangeError for a path or header that could end its line. */
export function requestEncoder(host: string): (request: WorkloadRequest) => string | Buffer {
  const tails = new Map<string, string>();
  const none: Readonly<Record<string, string>> = {};
  const byHeaders = new WeakMap<object, string>();
  const tailOf = (headers: Readonly<Record<string, string>>): string => {
    const known = byHeaders.get(headers);
    if (known !== undefined) return known;
    const text = headerLines(host, headers);
    // Workloads that build their headers anew each time still share one string.
    const shared = tails.get(text) ?? text;
    if (tails.size < 1000) tails.set(text, shared);
    byHeaders.set(headers, shared);
    return shared;
  };
  return ({ method, path, headers = none, body }) => {
    if (!/^\/[\x21-\x7e]*$/.test(path)) throw new RangeError(`request path ${JSON.stringify(path)}`);
    const head = `${method} ${path}${tailOf(headers)}`;
    if (body === undefined) return method === 'GET' ? `${head}\r\n` : `${head}Content-Length: 0\r\n\r\n`;
    const length = Buffer.byteLength(body);
    const text = `${head}Content-Length: ${length}\r\n\r\n${body}`;
    return length === body.length ? text : Buffer.from(text);
  };
}

function headerLines(host: string, headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(([name, value]) => {
    if (!/^[\w!#$%&'*+\-.^`|~]+$/.test(name) || !/^[\t\x20-\x7e]*$/.test(value)) {
      throw new RangeError(`request header ${JSON.stringify(`${name}: ${value}`)}`);
    }
    return `${name}: ${value}\r\n`;
  });
  return ` HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}`;
}
