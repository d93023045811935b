/**
 * The inert description of a running system, shared by every pattern and both targets. Types only:
 * a pattern returns a {@link Topology}, the local target runs it as processes, the Kubernetes target
 * as Pulumi components. An address stays a reference until its target hands out ports.
 */

/** JSON, as a plan holds it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A text that a target completes. Plain strings are literal; references name other processes of the same topology. */
export type Value =
  | string
  /** `host:port` of every replica of a process set, joined by `separator` (default `,`). */
  | { readonly addressesOf: string; readonly port: string; readonly separator?: string }
  /** This replica's own port of that name. */
  | { readonly ownPort: string }
  /**
   * The port that others reach this replica's port of that name by: its own, or that of what a target puts before it.
   * `beside`: of the port that `alsoReserveOffset` reserves beside it.
   */
  | { readonly reachedPort: string; readonly beside?: true }
  /** The host that others reach this replica by. */
  | { readonly ownHost: true }
  /** 0-based number of this replica within its set. */
  | { readonly ownOrdinal: true }
  /** Absolute path of this replica's volume of that name. */
  | { readonly volume: string }
  /** Absolute path at which a file of the process's `files` is readable; the name is {@link MountedFile.name}. */
  | { readonly file: string }
  /** Parts joined without a separator. */
  | { readonly concat: readonly Value[] };

export interface Port {
  readonly name: string;
  /** The port inside a container. The local target chooses its own. */
  readonly containerPort: number;
  /** The local target reserves this port too: `port + alsoReserve` (Redis Cluster's bus is 10000). */
  readonly alsoReserveOffset?: number;
  /** Whether users and the bench call it: it becomes the part's endpoint. At most one set of a part exposes. */
  readonly exposed?: boolean;
}

export interface Volume {
  readonly name: string;
  readonly sizeGiB: number;
}

/** A file of the project that the process reads; `path` is relative to the project's root. */
export interface MountedFile {
  readonly name: string;
  readonly path: string;
}

export type Probe =
  | { readonly kind: 'http'; readonly port: string; readonly path: string }
  | { readonly kind: 'tcp'; readonly port: string }
  /** Redis' `PING` answered by `PONG`. */
  | { readonly kind: 'redis'; readonly port: string };

/** What runs: an engine by its program name, or a service of the project by its workspace folder. */
export type Program =
  | { readonly kind: 'engine'; readonly program: string; readonly image: string }
  | {
      readonly kind: 'service';
      /** Name of the bundle, `dist/<bundle>.mjs`, and of the image. */
      readonly bundle: string;
      /** The entry file, relative to the project's root. */
      readonly entry: string;
    };

export interface Resources {
  readonly cpuMillis: number;
  readonly memoryMiB: number;
}

/** `replicas` equal processes. */
export interface ProcessSet {
  /** Unique within the topology; `<part>-<role>`, [a-z][a-z0-9-]*. */
  readonly id: string;
  readonly part: string;
  readonly program: Program;
  readonly replicas: number;
  readonly args: readonly Value[];
  readonly env: Readonly<Record<string, Value>>;
  readonly ports: readonly Port[];
  readonly volumes: readonly Volume[];
  readonly files: readonly MountedFile[];
  /** Ready for traffic. */
  readonly readiness: Probe;
  /** Alive; absent means that only the process's end counts. */
  readonly liveness?: Probe;
  readonly stop: { readonly signal: 'SIGTERM' | 'SIGINT'; readonly graceMs: number };
  readonly resources: Resources;
  /** Ids of process sets that are ready, and of jobs that are done, before this one starts. */
  readonly dependsOn: readonly string[];
  /** Replicas are to be kept on different machines where there are several. */
  readonly spread: boolean;
}

/**
 * A program that runs to its end, and brings the running engines to the state that the topology describes
 * (forms a cluster, moves slots). Idempotent: a target runs it on every deployment that changed a process set it
 * depends on, before processes that are no longer wanted stop. Those are listed in the environment variable named by
 * `leavingEnv`, as `host:port` joined by commas.
 */
export interface Job {
  readonly id: string;
  readonly part: string;
  readonly program: Program;
  readonly args: readonly Value[];
  readonly env: Readonly<Record<string, Value>>;
  readonly leavingEnv?: { readonly name: string; readonly set: string; readonly port: string };
  readonly dependsOn: readonly string[];
  readonly timeoutMs: number;
}

export interface Topology {
  readonly processSets: readonly ProcessSet[];
  readonly jobs: readonly Job[];
}
