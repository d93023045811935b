/** The Deployment: what runs, where it is reached, and how a fault takes hold of it. */

export interface Instance {
  /** `<set>-<ordinal>`. */
  readonly id: string;
  readonly set: string;
  readonly part: string;
  readonly ordinal: number;
  readonly kind: 'engine' | 'service';
  readonly host: string;
  /** Port by name. */
  readonly ports: Readonly<Record<string, number>>;
  readonly logPath: string;
  /** What the topology's `access` comes to. It may hold secrets: there while a bench runs, and in no file or output. */
  readonly access?: Readonly<Record<string, string>>;
}

export interface Deployment {
  readonly schemaVersion: 1;
  readonly target: 'local' | 'kubernetes';
  /** Absolute path of the project. */
  readonly root: string;
  readonly name: string;
  readonly scale: number;
  /** Of the plan that was deployed: a bench judges no other. */
  readonly requirementsDigest: string;
  /** Part → base URL of its exposed port (its first instance). */
  readonly endpoints: Readonly<Record<string, string>>;
  readonly instances: readonly Instance[];
  readonly instrumented: Instrumentation;
}

/**
 * What faults can reach, each more than the one before. `none`: processes and their files' growth; `network`: also what runs
 * between them, through the fault proxy; `power`: also what of their files is on the disk, where there is a C compiler;
 * `clock`: also their clocks, through libfaketime.
 */
export const instrumentations = ['none', 'network', 'power', 'clock'] as const;
export type Instrumentation = (typeof instrumentations)[number];

/** The one that reaches more. */
export function atLeast(a: Instrumentation, b: Instrumentation): Instrumentation {
  return instrumentations.indexOf(a) >= instrumentations.indexOf(b) ? a : b;
}

/**
 * What is done to an instance's connections. `among`: to those with instances of its own set, with everybody else, or all.
 * `in` is what runs to the instance, `out` what comes from it.
 */
export type NetworkRule = { readonly among: 'all' | 'peers' | 'clients' } & (
  | { readonly kind: 'latency'; readonly ms: number; readonly jitterMs: number }
  /** RST to both ends of every connection, again and again. */
  | { readonly kind: 'reset'; readonly everyMs: number }
  /** The connections that there are carry nothing any more, and neither end is told; new ones are as ever. */
  | { readonly kind: 'half-open' }
  /** What is on its way waits until the partition ends, and new connections do not come about. */
  | { readonly kind: 'partition'; readonly way: 'both' | 'in' | 'out' }
);

/** A fault that lasts until it is lifted; it also ends when the dsp that asked for it does, however that ends. */
export interface Hold {
  /** What was seen when it began. */
  readonly began: Witness;
  /** Resolves when the instance is as before. `hit` says whether an effect was seen all in all. */
  lift(): Promise<Witness>;
}

/** Told of the instances that may be called; resolves when those that were left owe no answer any more. */
export type Serving = (instances: readonly Instance[]) => Promise<void>;

/** What the bench may do to a deployment, through its target. Each resolves when the effect was seen, which is the fault's witness. */
export interface FaultAccess {
  /** SIGKILL; resolves when the process is gone. */
  kill(instanceId: string): Promise<Witness>;
  /** SIGSTOP; resolves when the process's state is stopped. SIGCONT follows by itself when dsp ends first. */
  pause(instanceId: string): Promise<Witness>;
  /** SIGCONT. */
  resume(instanceId: string): Promise<Witness>;
  /** Starts a dead process again with the same ports, arguments and data; resolves when it is ready. */
  restart(instanceId: string): Promise<Witness>;
  /** The process's own stop signal, and SIGKILL after its grace; resolves when it is gone. */
  stop(instanceId: string): Promise<Witness>;
  /**
   * SIGKILL, and of the files that it appended to all is lost that was not synced; resolves when that is done. Needs the
   * instrumentation `power`.
   */
  cutPower(instanceId: string): Promise<Witness>;
  /**
   * Each process of the set ends and starts again in turn, the next one when the one before is ready. `serving` is told of
   * the instances that may be called whenever they change, and what is to be stopped waits for it; a target that routes
   * to what is ready by itself tells nobody.
   */
  rollingRestart(setId: string, serving: Serving): Promise<Witness>;
  /** Needs the instrumentation `network`. */
  disturb(instanceId: string, rule: NetworkRule): Promise<Hold>;
  /** Moves the process's wall clock by so much at once, and back at the end. Needs the instrumentation `clock`. */
  stepClock(instanceId: string, offsetMs: number): Promise<Hold>;
  /** The process's files can't grow. Needs the instrumentation `network`. */
  fillDisk(instanceId: string): Promise<Hold>;
}

export interface Witness {
  readonly hit: boolean;
  /** What was seen, e.g. `pid 4711 gone after 3 ms`. */
  readonly seen: string;
  /** An effect that belongs to it could not be brought about for want of knowledge: what it would do is assumed. */
  readonly assumed?: true;
}

/** A fault that did not take hold, and why. */
export function missed(seen: string): Hold {
  const witness = { hit: false, seen };
  return { began: witness, lift: async () => witness };
}
