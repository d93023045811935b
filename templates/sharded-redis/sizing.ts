/** The shape of a sized store, which everything else of the pattern reads. */

/** Somebody who uses the store, as the plan keeps it. */
export type StoreUser = {
  /** A part's name, or `user` for the part's own service. */
  readonly from: string;
  /** Null: every key, and whatever a script may do with keys. */
  readonly uses: { readonly keyPrefixes: readonly string[]; readonly scriptCommands: readonly string[] } | null;
};

/** What plan.json keeps of a sized store. */
export type StoreSizing = {
  readonly mode: 'store' | 'cache';
  readonly shards: number;
  readonly replicasPerShard: number;
  /** Redis' maxmemory of each process. */
  readonly maxmemoryMiB: number;
  /** What a process may take at most, rewriting its append-only file included. */
  readonly memoryMiBPerProcess: number;
  readonly nodeTimeoutMs: number;
  /** When the append-only file is synced. */
  readonly appendFsync: 'no' | 'everysec' | 'always';
  /** Replicas that acknowledge a write before its caller hears of it. */
  readonly waitReplicas: number;
  readonly waitTimeoutMs: number;
  /** Instances of the HTTP service; 0 where another part alone uses the store. */
  readonly apiInstances: number;
  /** The user's own, over HTTP. */
  readonly readPerSecond: number;
  readonly writePerSecond: number;
  /** CPU seconds a second of all servers together, whoever asks. */
  readonly busyCpus: number;
  readonly payloadBytes: number;
  readonly totalMiB: number;
  readonly users: readonly StoreUser[];
  /** Everything on its way between clients and servers, and between servers, is encrypted. */
  readonly tls: boolean;
  /** The service reaches the ring through an ambassador beside it, at one address on loopback. */
  readonly ambassador: boolean;
};
