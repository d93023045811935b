/** What a fault took away comes back even when dsp is killed: a small process waits for that and then does the rest. */

import { spawn } from 'node:child_process';

/**
 * Runs `script` (for sh, `$1` … are `args`) when this process ends before it calls what is returned. The guard reads from a
 * pipe whose other end only this process holds, so that the kernel tells it of every kind of end.
 */
export function guard(script: string, args: readonly string[]): () => void {
  const child = spawn('/bin/sh', ['-c', `read -r _ && exit 0; ${script}`, 'sh', ...args], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  child.on('error', () => {});
  child.stdin.on('error', () => {});
  child.unref();
  return () => {
    child.stdin.end('healed\n');
  };
}
