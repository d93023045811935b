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
}

/** What the bench may do to a deployment, through its target. Each resolves when the effect was seen, which is the fault's witness. */
export interface FaultAccess {
  /** SIGKILL; resolves when the process is gone. */
  kill(instanceId: string): Promise<Witness>;
  /** SIGSTOP; resolves when the process's state is stopped. */
  pause(instanceId: string): Promise<Witness>;
  /** SIGCONT. */
  resume(instanceId: string): Promise<Witness>;
  /** Starts a dead process again with the same ports, arguments and data; resolves when it is ready. */
  restart(instanceId: string): Promise<Witness>;
}

export interface Witness {
  readonly hit: boolean;
  /** What was seen, e.g. `pid 4711 gone after 3 ms`. */
  readonly seen: string;
}
