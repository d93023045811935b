/** How a fault takes hold of a pod, and how it is seen to have done so: in what the cluster's API says. */

import { type Clock, until } from '../../clock.ts';
import { DspError } from '../../errors.ts';
import { type FaultKind, readFaults } from '../../requirements/faults.ts';
import { type FaultAccess, type Hold, type Instance, missed, type Witness } from '../deployment.ts';
import type { Pod } from './cluster.ts';
import { type Api, messageOf } from './in-cluster.ts';
import { rollingRestart } from './rollout.ts';

/** Processes can be reached in a pod, and what makes pods; what runs between them, their clocks and their disks can't. */
const withinReach: readonly FaultKind[] = ['kill', 'restart', 'rolling-restart', 'pause', 'scale'];

/**
 * Throws `bench.fault-out-of-reach` for faults that a cluster cannot have. `outOfScale`: those of a size that no
 * service has. What is malformed is told elsewhere.
 */
export function requireReach(phases: readonly string[], outOfScale: readonly string[] = []): void {
  const specs = phases.map(readFaults).flatMap((found) => ('problem' in found ? [] : found));
  const given = [...specs.filter(({ kind }) => !withinReach.includes(kind)).map(({ text }) => text), ...outOfScale];
  const kinds = withinReach.map((kind) => (kind === 'scale' ? 'scale (of services)' : kind));
  if (given.length > 0) throw new DspError('bench.fault-out-of-reach', { given, kinds });
}

const effectTimeoutMs = 30_000;
const backTimeoutMs = 180_000;
const pollMs = 100;
/** A process on a busy core takes its signals late. */
const stopsWithinSeconds = 5;
/** A process that nobody resumes goes on by itself after this. */
const longestPauseSeconds = 300;

/** `instances` are those of the deployment: what each runs tells which process a pause is for. */
export function podFaults(api: Api, instances: readonly Instance[], clock: Clock): FaultAccess {
  const faults = new PodFaults(api, instances, clock);
  return {
    kill: (id) => faults.kill(id),
    pause: (id) => faults.pause(id),
    resume: (id) => faults.resume(id),
    restart: (id) => faults.awaitBack(id),
    stop: (id) => faults.stop(id),
    cutPower: async (id) => outOfReach(id, 'disk').began,
    rollingRestart: (set) => rollingRestart(api, set, clock),
    disturb: async (id) => outOfReach(id, 'connections'),
    stepClock: async (id) => outOfReach(id, 'clock'),
    fillDisk: async (id) => outOfReach(id, 'disk'),
  };
}

/** No instrument stands in a pod: such a fault hits nothing, and the run says so. */
function outOfReach(id: string, what: string): Hold {
  return missed(`the ${what} of ${id} cannot be reached in a cluster`);
}

class PodFaults {
  readonly #api: Api;
  readonly #instances: readonly Instance[];
  readonly #clock: Clock;
  /** The pod that was hit, by instance. */
  readonly #hit = new Map<string, Pod>();
  #count = 0;

  constructor(api: Api, instances: readonly Instance[], clock: Clock) {
    this.#api = api;
    this.#instances = instances;
    this.#clock = clock;
  }

  /** Deletes the pod with no time to say goodbye. */
  kill(id: string): Promise<Witness> {
    return this.#remove(id, 0);
  }

  /** Deletes the pod, which has its own grace to end in. */
  stop(id: string): Promise<Witness> {
    return this.#remove(id, null);
  }

  /** It was hit when the pod of that identity is gone. */
  async #remove(id: string, gracePeriodSeconds: number | null): Promise<Witness> {
    const pod = await this.#podOf(id);
    if (pod === null) return { hit: false, seen: `${id} was not running` };
    this.#hit.set(id, pod);
    const { name, uid } = pod.metadata;
    const startMs = this.#clock.monotonicMs();
    const grace = gracePeriodSeconds === null ? {} : { gracePeriodSeconds };
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...grace, preconditions: { uid } };
    const { status, text } = await this.#api.call('DELETE', `pods/${name}`, body);
    if (status >= 300) return { hit: false, seen: `pod ${name} was not deleted: ${messageOf(text)}` };
    const gone = await this.#until(effectTimeoutMs, async () => (await this.#find(name))?.metadata.uid !== uid);
    const tookMs = this.#clock.monotonicMs() - startMs;
    const seen = gone ? `gone after ${tookMs.toFixed(0)} ms` : `still there after ${effectTimeoutMs} ms`;
    return { hit: gone, seen: `pod ${name} (${uid}) ${seen}` };
  }

  /** Its controller makes another pod; it is back when as many are ready as are wanted, and that one is not the old. */
  async awaitBack(id: string): Promise<Witness> {
    const old = this.#hit.get(id);
    if (old === undefined) return { hit: false, seen: `${id} was not killed` };
    const { set } = this.#instanceOf(id);
    const wanted = this.#instances.filter((instance) => instance.set === set).length;
    const startMs = this.#clock.monotonicMs();
    let ready: readonly Pod[] = [];
    const back = await this.#until(backTimeoutMs, async () => {
      const pods = await this.#podsOf(set);
      ready = pods.filter((pod) => isReady(pod) && pod.metadata.uid !== old.metadata.uid);
      return ready.length >= wanted;
    });
    const tookMs = (this.#clock.monotonicMs() - startMs).toFixed(0);
    const what = `${ready.length} of ${wanted} pods of ${set} ready`;
    return { hit: back, seen: back ? `${what} after ${tookMs} ms` : `${what} after ${backTimeoutMs} ms` };
  }

  /** SIGSTOP from a container that is put into the pod: its processes are visible there, and of the same user. */
  async pause(id: string): Promise<Witness> {
    const pod = await this.#podOf(id);
    if (pod === null) return { hit: false, seen: `${id} was not running` };
    this.#hit.set(id, pod);
    const stop = `kill -STOP "$pid"; n=0
      while [ "$(state)" != T ] && [ $n -lt ${stopsWithinSeconds * 10} ]; do sleep 0.1; n=$((n+1)); done; say; n=0
      while [ "$(state)" = T ] && [ $n -lt ${longestPauseSeconds} ]; do sleep 1; n=$((n+1)); done; kill -CONT "$pid"`;
    return this.#inject(pod, id, stop, (state) => state === 'T', 'stopped');
  }

  async resume(id: string): Promise<Witness> {
    const pod = this.#hit.get(id);
    if (pod === undefined) return { hit: false, seen: `${id} was not paused` };
    const isRunning = (state: string) => state !== 'T' && state !== 'gone';
    return this.#inject(pod, id, 'kill -CONT "$pid"; sleep 0.2; say', isRunning, 'running');
  }

  /** Runs `act` beside the instance's program, and waits for the state that the kernel then shows. */
  async #inject(
    pod: Pod,
    id: string,
    act: string,
    isWanted: (state: string) => boolean,
    words: string,
  ): Promise<Witness> {
    const { name } = pod.metadata;
    const main = pod.spec.containers.find((container) => container.name === 'main') ?? pod.spec.containers[0];
    const container = `dsp-fault-${this.#clock.nowMs().toString(36)}-${this.#count++}`;
    const program = this.#instanceOf(id).kind === 'engine' ? (main?.command?.[0] ?? '') : 'node';
    const startMs = this.#clock.monotonicMs();
    const spec = { ephemeralContainers: [intruder(container, main?.image ?? '', script(program, act))] };
    const { status, text } = await this.#api.call('PATCH', `pods/${name}/ephemeralcontainers`, { spec });
    if (status >= 300) return { hit: false, seen: `pod ${name} takes no container: ${messageOf(text)}` };
    let said = '';
    await this.#until(effectTimeoutMs, async () => {
      const answer = await this.#api.call('GET', `pods/${name}/log?container=${container}`);
      said = answer.status === 200 ? answer.text.trim() : '';
      return lastWord.test(said);
    });
    const { pid, state } = lastWord.exec(said)?.groups ?? {};
    const hit = state !== undefined && isWanted(state);
    const tookMs = (this.#clock.monotonicMs() - startMs).toFixed(0);
    const seen = hit ? `pid ${pid} of ${program} ${words} after ${tookMs} ms` : said || 'nothing was said';
    return { hit, seen: `pod ${name}: ${seen}` };
  }

  #instanceOf(id: string): Instance {
    const found = this.#instances.find((instance) => instance.id === id);
    if (found === undefined) throw new Error(`there is no instance ${id}`);
    return found;
  }

  /** Of a set without names of its own, the pod whose place in the order of names is the instance's. */
  async #podOf(id: string): Promise<Pod | null> {
    const { set, ordinal } = this.#instanceOf(id);
    const pods = await this.#podsOf(set);
    return pods.find(({ metadata }) => metadata.name === id) ?? pods.filter(isReady)[ordinal] ?? null;
  }

  async #podsOf(set: string): Promise<readonly Pod[]> {
    const { status, text } = await this.#api.call('GET', `pods?labelSelector=app.kubernetes.io%2Fname%3D${set}`);
    if (status !== 200) throw new Error(`pods of ${set}: ${messageOf(text)}`);
    const { items } = JSON.parse(text) as { items: readonly Pod[] };
    return [...items].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  async #find(name: string): Promise<Pod | null> {
    const { status, text } = await this.#api.call('GET', `pods/${name}`);
    if (status === 404) return null;
    if (status !== 200) throw new Error(`pod ${name}: ${messageOf(text)}`);
    return JSON.parse(text) as Pod;
  }

  #until(timeoutMs: number, holds: () => Promise<boolean>): Promise<boolean> {
    return until(this.#clock, { timeoutMs, pollMs }, holds);
  }
}

function isReady({ metadata, status }: Pod): boolean {
  const ready = status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;
  return ready && metadata.deletionTimestamp === undefined;
}

/** The line that a script ends its search or its act with; a shell and its commands may complain before it. */
const lastWord = /^(?:pid (?<pid>\d+) (?<state>[A-Zt]|gone)|no process of .+)$/m;

/** Finds the program among the pod's processes by its name, as the kernel keeps it; `act` ends with `say`, its last word. */
function script(program: string, act: string): string {
  const name = program.split('/').at(-1)?.slice(0, 15) ?? '';
  // A process may end between its listing and the look at it: cat can be silenced, a redirection of the shell's can't.
  // A runtime may name its main thread otherwise: then the program's file tells.
  return `content() { cat "$1" 2>/dev/null; }
    for p in /proc/[0-9]*; do
      comm=$(content "$p/comm") || continue
      case $comm in ${name}) ;; *) case $(content "$p/cmdline" | tr '\\0' ' ') in ${name}' '*|*/${name}' '*) ;; *) continue ;; esac ;; esac
      pid=\${p#/proc/}; break
    done
    [ -n "$pid" ] || { echo 'no process of ${name}'; exit 1; }
    state() { s=$(content "/proc/$pid/stat"); s=\${s##*) }; s=\${s%% *}; echo "\${s:-gone}"; }
    say() { echo "pid $pid $(state)"; }
    ${act}`;
}

function intruder(name: string, image: string, text: string): unknown {
  return {
    name,
    image,
    command: ['sh', '-c', text],
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      readOnlyRootFilesystem: true,
    },
  };
}
