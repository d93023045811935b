/**
 * What a generator thread asks of Linux for itself: its number, the CPU time it used, and wake-ups on time. Node has
 * no call for these; where there is no /proc, the answers are null and nothing changes.
 */

import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';

/** The calling thread's number; null where there is no /proc. */
export function currentThread(): number | null {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').at(-1));
  } catch {
    return null;
  }
}

/** CPU time of a thread of this process in ms; null when there is none of this number. */
export function threadCpuMs(thread: number | null): number | null {
  try {
    return Number(readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return null;
  }
}

/**
 * Lets the calling thread's naps end when they should. The kernel may wake a thread 50 µs late to save power, which is
 * as long as the nap itself.
 */
export function wakeOnTime(): void {
  try {
    writeFileSync(`/proc/${currentThread()}/timerslack_ns`, '1000');
  } catch {
    // Then sends are a little later, and the report says by how much.
  }
}
