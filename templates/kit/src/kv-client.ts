/** The kv capability: what a service may ask of a key-value store, whatever its sharding. */

import { createHash } from 'node:crypto';

/** A Lua script that is sent by its digest. */
export interface Script {
  readonly lua: string;
  readonly sha1: string;
}

export function defineScript(lua: string): Script {
  return { lua, sha1: createHash('sha1').update(lua).digest('hex') };
}

export interface WaitOptions {
  /** How many replicas must have acknowledged the write before the call resolves; 0, the default, waits for none. */
  readonly waitReplicas?: number;
  /** How long to wait for them. Needed with `waitReplicas`. */
  readonly waitTimeoutMs?: number;
}

export interface SetOptions extends WaitOptions {
  /** The key is gone after this time. */
  readonly ttlMs?: number;
}

/**
 * Each call rejects with {@link KvUnavailableError} when the key's owner did not answer within the client's time-out,
 * with {@link UnreplicatedError} when too few replicas acknowledged, and with the server's own error otherwise.
 * A command that may have run is never sent again.
 */
export interface KvClient {
  /** Resolves when every node that owns keys has answered once. */
  ready(): Promise<void>;
  get(key: string): Promise<string | null>;
  /** For values that are not text. */
  getBuffer(key: string): Promise<Buffer | null>;
  set(key: string, value: string | Buffer, options?: SetOptions): Promise<void>;
  /** Whether the key was there. */
  delete(key: string, options?: WaitOptions): Promise<boolean>;
  /**
   * Runs an atomic script on the owner of `key`, which is KEYS[1]. ARGV[1] is the run_id of the server process that the
   * connection talks to (it changes with every restart), `args` follow from ARGV[2] on.
   */
  run(script: Script, key: string, args: readonly (string | number)[], options?: WaitOptions): Promise<unknown>;
  close(): Promise<void>;
}

/** The key's owner was not reached, or did not answer, within the bound. */
export class KvUnavailableError extends Error {
  /** False: the command certainly did not run. True: nobody knows. */
  readonly mayHaveRun: boolean;

  constructor(reason: string, mayHaveRun: boolean, cause?: unknown) {
    super(reason, cause === undefined ? {} : { cause });
    this.name = 'KvUnavailableError';
    this.mayHaveRun = mayHaveRun;
  }
}

/** The write ran on the primary, but too few replicas acknowledged it in time: a failover may lose it. */
export class UnreplicatedError extends Error {
  readonly wanted: number;
  readonly acknowledged: number;

  constructor(wanted: number, acknowledged: number) {
    super(`${acknowledged} of ${wanted} replicas acknowledged in time`);
    this.name = 'UnreplicatedError';
    this.wanted = wanted;
    this.acknowledged = acknowledged;
  }
}
