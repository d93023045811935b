import { afterEach, describe, expect, it, vi } from 'vitest';
import { whenUnread } from '../../src/terminal.ts';

const streams = [process.stdout, process.stderr] as const;
const before = new Map(streams.map((stream) => [stream, stream.listeners('error')]));

function fail(stream: NodeJS.WriteStream, code: string): boolean {
  return stream.emit('error', Object.assign(new Error(code), { code }));
}

afterEach(() => {
  for (const stream of streams) {
    for (const listener of stream.listeners('error')) {
      if (!before.get(stream)?.includes(listener)) stream.off('error', listener as () => void);
    }
  }
});

describe('output that nobody reads', () => {
  it('tells so once it is the data, and is no failure on either stream', () => {
    const listener = vi.fn();
    whenUnread(listener);
    fail(process.stderr, 'EPIPE');
    expect(listener).not.toHaveBeenCalled();
    fail(process.stdout, 'EPIPE');
    expect(listener).toHaveBeenCalledOnce();
  });

  it('is not taken for a disk that is full', () => {
    whenUnread(() => {});
    expect(() => fail(process.stdout, 'ENOSPC')).toThrow('ENOSPC');
    expect(() => fail(process.stderr, 'ENOSPC')).toThrow('ENOSPC');
  });
});
