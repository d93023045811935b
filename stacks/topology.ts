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
  /** The host that others reach this replica by; on Kubernetes its address, which changes when it starts anew. */
  | { readonly ownHost: true }
  /** A name of this replica that stays the same for as long as it is wanted, and by which others reach it. */
  | { readonly ownName: true }
  /** What to listen on so that others reach this replica by all of its addresses. */
  | { readonly listenHost: true }
  /** 0-based number of this replica within its set. */
  | { readonly ownOrdinal: true }
  /** Absolute path of this replica's volume of that name. */
  | { readonly volume: string }
  /** Absolute path at which a file of the process's `files` is readable; the name is {@link MountedFile.name}. */
  | { readonly file: string }
  | SecretText
  /** `host:port` at which a sidecar of this process set answers: always on this replica's own loopback. */
  | { readonly sidecar: string; readonly port: string }
  /** Parts joined without a separator. */
  | { readonly concat: readonly Value[] };

/**
 * A secret of the deployment. Its target makes it at the first deployment and keeps it, readable by nobody else, until
 * the deployment is destroyed with its data; neither plan nor project ever holds it.
 */
export interface Secret {
  /** Unique in the system; `<part>-<what for>`, [a-z][a-z0-9-]*. A Kubernetes Secret has this name and the texts as its keys. */
  readonly name: string;
  readonly part: string;
  readonly content: SecretContent;
}

export type SecretContent =
  /** 256 random bits as 64 hex digits: `password`; `sha256` is the SHA-256 of those digits, in hex. */
  | { readonly kind: 'password' }
  /**
   * A certificate authority of its own and a certificate by it, for servers and clients, with `serverName` as its only
   * DNS name: `ca.crt`, `tls.crt`, `tls.key`, in PEM (the keys that cert-manager uses).
   */
  | { readonly kind: 'certificate'; readonly serverName: string };

export type SecretKey = 'password' | 'sha256' | 'ca.crt' | 'tls.crt' | 'tls.key';

/**
 * One text of a secret, of this part or another. It may stand in `env` and `access` as a whole value, and anywhere in
 * the text of a secret file; never in `args`, which everybody on the machine can read.
 */
export interface SecretText {
  readonly secret: string;
  readonly key: SecretKey;
}

/**
 * A file that holds secrets. Its text consists of strings and secret texts, joined. Only the process reads it; its path
 * is what `{ file: name }` stands for, as with `files`, and names are unique over both.
 */
export interface SecretFile {
  readonly name: string;
  /** The last part of the path: `users.conf`. */
  readonly fileName: string;
  readonly text: Value;
}

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
  /** Redis' `PING` answered by `PONG`, without a user or password. */
  | {
      readonly kind: 'redis';
      readonly port: string;
      /** The server speaks TLS: trust the authority in the secret file `ca`, and expect `serverName`. */
      readonly tls?: { readonly ca: string; readonly serverName: string };
    };

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
  readonly secretFiles?: readonly SecretFile[];
  /**
   * What somebody who looks into these processes from outside needs, by name: the bench's invariants get it, completed,
   * with each instance. Strings and secret texts; a target keeps it no other way than its secrets.
   */
  readonly access?: Readonly<Record<string, Value>>;
  /** Processes beside each replica, which share its network and its fate. */
  readonly sidecars?: readonly Sidecar[];
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
 * One process beside each replica of a set: on Kubernetes a container of the same pod that starts first and stops last,
 * on the local target a process of its own. What it does for the replica it does on loopback, at `{ sidecar, port }`; its
 * health may be asked for from outside. `ownPort` and the like in it are its own.
 */
export interface Sidecar {
  /** Unique within the set. */
  readonly name: string;
  readonly program: Program;
  readonly args: readonly Value[];
  readonly env: Readonly<Record<string, Value>>;
  readonly ports: readonly Port[];
  readonly readiness: Probe;
  readonly stop: ProcessSet['stop'];
  readonly resources: Resources;
}

/**
 * A program that runs to its end, and brings the running engines to the state that the topology describes
 * (forms a cluster, moves slots). Idempotent: a target runs it on every deployment that changed a process set it
 * depends on, before processes that are no longer wanted stop. Those are listed in the environment variable named by
 * `leavingEnv`, as `host:port` joined by commas; or it is `*`, where the target knows only who is wanted: then whoever
 * else the engines count as one of them is to leave, and where nobody is, or nothing runs yet, there is nothing to do.
 */
export interface Job {
  readonly id: string;
  readonly part: string;
  readonly program: Program;
  readonly args: readonly Value[];
  readonly env: Readonly<Record<string, Value>>;
  readonly leavingEnv?: { readonly name: string; readonly set: string; readonly port: string };
  readonly dependsOn: readonly string[];
  /**
   * Who depends on this job waits by itself for what it makes, unready until then: a target may start them while it
   * runs, so that its time and theirs are spent side by side. Absent: they start when it is done.
   */
  readonly dependantsWait?: true;
  readonly timeoutMs: number;
}

export interface Topology {
  readonly processSets: readonly ProcessSet[];
  readonly jobs: readonly Job[];
  readonly secrets?: readonly Secret[];
}
