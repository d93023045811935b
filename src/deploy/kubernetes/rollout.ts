/** What a bench does to whole sets of pods, through what makes them; seen to be done in what the cluster's API says. */

import { type Clock, until } from '../../clock.ts';
import { type Hold, missed, type Witness } from '../deployment.ts';
import { type Api, messageOf } from './in-cluster.ts';

/** The part of a StatefulSet or Deployment that tells how far it is. */
interface Controller {
  readonly metadata: { readonly generation: number };
  readonly spec: {
    readonly replicas: number;
    readonly template?: {
      readonly spec: {
        readonly containers: readonly {
          readonly name: string;
          readonly env?: readonly { readonly name: string; readonly value?: string }[];
        }[];
      };
    };
  };
  readonly status: {
    readonly observedGeneration?: number;
    readonly replicas?: number;
    readonly readyReplicas?: number;
    readonly updatedReplicas?: number;
    /** StatefulSets only. */
    readonly currentRevision?: string;
    readonly updateRevision?: string;
  };
}

/** As long as the slowest pod may take, each. */
const podTimeoutMs = 60_000;
const pollMs = 200;

/** Every pod of the set is replaced in turn, as its controller does it. */
export async function rollingRestart(api: Api, set: string, clock: Clock): Promise<Witness> {
  const found = await findController(api, set);
  if (found === null) return { hit: false, seen: `nothing in the cluster makes pods of ${set}` };
  const { path, controller } = found;
  const startMs = clock.monotonicMs();
  const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date(clock.nowMs()).toISOString() };
  const patched = await patch(api, path, { spec: { template: { metadata: { annotations } } } });
  if (patched !== null) return patched;
  const { replicas } = controller.spec;
  const done = await settled(api, path, clock, podTimeoutMs * (replicas + 1), controller.metadata.generation + 1);
  const tookMs = (clock.monotonicMs() - startMs).toFixed(0);
  const verb = done ? 'restarted in turn within' : 'are not all restarted after';
  return { hit: done, seen: `the ${replicas} pods of ${set} ${verb} ${tookMs} ms` };
}

/** A set's number of pods, and what their environment says of it. */
export interface SetSize {
  readonly set: string;
  readonly replicas: number;
  readonly env: Readonly<Record<string, string>>;
}

/** Other numbers of pods for some sets; lifted, the numbers before. */
export async function scaleSets(api: Api, sizes: readonly SetSize[], clock: Clock): Promise<Hold> {
  const before: SetSize[] = [];
  for (const { set, env } of sizes) {
    const { controller } = (await findController(api, set)) ?? {};
    if (controller === undefined) return missed(`nothing in the cluster makes pods of ${set}`);
    before.push({ set, replicas: controller.spec.replicas, env: envNow(controller, Object.keys(env)) });
  }
  return { began: await scaleAll(api, sizes, clock), lift: () => scaleAll(api, before, clock) };
}

const container = 'main';

function envNow({ spec }: Controller, names: readonly string[]): Readonly<Record<string, string>> {
  const env = spec.template?.spec.containers.find(({ name }) => name === container)?.env ?? [];
  return Object.fromEntries(
    env.flatMap(({ name, value }) => (names.includes(name) && value !== undefined ? [[name, value]] : [])),
  );
}

async function scaleAll(api: Api, sizes: readonly SetSize[], clock: Clock): Promise<Witness> {
  const witnesses = await Promise.all(sizes.map((size) => scale(api, size, clock)));
  return { hit: witnesses.every(({ hit }) => hit), seen: witnesses.map(({ seen }) => seen).join('; ') };
}

async function scale(api: Api, { set, replicas, env }: SetSize, clock: Clock): Promise<Witness> {
  const found = await findController(api, set);
  if (found === null) return { hit: false, seen: `nothing in the cluster makes pods of ${set}` };
  const { path, controller } = found;
  const startMs = clock.monotonicMs();
  const told = Object.entries(env).map(([name, value]) => ({ name, value }));
  const template = told.length === 0 ? {} : { template: { spec: { containers: [{ name: container, env: told }] } } };
  const patched = await patch(api, path, { spec: { replicas, ...template } });
  if (patched !== null) return patched;
  const before = controller.spec.replicas;
  const timeoutMs = podTimeoutMs * (Math.max(replicas, before) + 1);
  const done = await settled(api, path, clock, timeoutMs, controller.metadata.generation);
  const tookMs = (clock.monotonicMs() - startMs).toFixed(0);
  const seen = `${set} went from ${before} to ${replicas} pods${done ? '' : ', not all ready,'} after ${tookMs} ms`;
  return { hit: done, seen };
}

async function findController(
  api: Api,
  set: string,
): Promise<{ readonly path: string; readonly controller: Controller } | null> {
  for (const path of [`statefulsets/${set}`, `deployments/${set}`]) {
    const { status, text } = await api.call('GET', path, undefined, 'apis/apps/v1');
    if (status === 200) return { path, controller: JSON.parse(text) as Controller };
    if (status !== 404) throw new Error(`${path}: ${messageOf(text)}`);
  }
  return null;
}

async function patch(api: Api, path: string, body: unknown): Promise<Witness | null> {
  const { status, text } = await api.call('PATCH', path, body, 'apis/apps/v1');
  return status < 300 ? null : { hit: false, seen: `${path} was not changed: ${messageOf(text)}` };
}

/** Its controller has seen the change, and as many pods as are wanted are new and ready, and no other is left. */
function settled(api: Api, path: string, clock: Clock, timeoutMs: number, leastGeneration: number): Promise<boolean> {
  return until(clock, { timeoutMs, pollMs }, async () => {
    const { status, text } = await api.call('GET', path, undefined, 'apis/apps/v1');
    return status === 200 && isSettled(JSON.parse(text) as Controller, leastGeneration);
  });
}

function isSettled({ metadata, spec, status }: Controller, leastGeneration: number): boolean {
  const observed = status.observedGeneration ?? 0;
  if (metadata.generation < leastGeneration || observed < metadata.generation) return false;
  const counts = [status.replicas, status.readyReplicas, status.updatedReplicas];
  // A StatefulSet that has come to its end calls its new revision the current one, and may not count updates any more.
  const isCurrent = status.updateRevision !== undefined && status.currentRevision === status.updateRevision;
  return counts.slice(0, isCurrent ? 2 : 3).every((count) => (count ?? 0) === spec.replicas);
}
