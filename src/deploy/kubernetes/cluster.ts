/** A Kubernetes cluster as kubectl reaches it: what dsp looks at beside what Pulumi does. */

import { type ExecaError, execa } from 'execa';
import { DspError } from '../../errors.ts';

export interface Cluster {
  readonly context: string;
  readonly namespace: string;
}

/** The parts of Kubernetes' objects that dsp reads. */
export interface Meta {
  readonly name: string;
  readonly uid: string;
  readonly creationTimestamp: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
}

export interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
  readonly terminated?: { readonly reason?: string; readonly exitCode: number };
  readonly running?: { readonly startedAt: string };
}

export interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state?: ContainerState;
  readonly lastState?: ContainerState;
}

export interface Pod {
  readonly metadata: Meta;
  readonly spec: {
    readonly nodeName?: string;
    readonly containers: readonly {
      readonly name: string;
      readonly image: string;
      readonly command?: readonly string[];
      readonly ports?: readonly { readonly name?: string; readonly containerPort: number }[];
    }[];
  };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string; readonly message?: string }[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

export interface KubernetesEvent {
  readonly type: string;
  readonly reason: string;
  readonly message: string;
  readonly count?: number;
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
  readonly involvedObject: { readonly kind: string; readonly name: string };
}

const answerMs = 20_000;

/** stdout. Throws `kubernetes.*` where kubectl or the cluster is not to be had, else `kubernetes.refused`. */
export async function kubectl(
  context: string | null,
  args: readonly string[],
  options: { readonly signal?: AbortSignal; readonly timeoutMs?: number; readonly input?: string } = {},
): Promise<string> {
  const all = [...(context === null ? [] : ['--context', context]), ...args];
  const { signal, timeoutMs = answerMs, input } = options;
  try {
    const { stdout } = await execa('kubectl', all, {
      ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
      timeout: timeoutMs,
      ...(signal === undefined ? {} : { cancelSignal: signal }),
    });
    return stdout;
  } catch (error) {
    signal?.throwIfAborted();
    throw asDspError(error as ExecaError, context ?? '');
  }
}

function asDspError(error: ExecaError, context: string): DspError {
  if (error.code === 'ENOENT') return new DspError('kubernetes.no-kubectl', {});
  const said = String(error.stderr ?? '').trim();
  const problem = error.timedOut ? 'no answer in time' : (said.split('\n').at(-1) ?? error.shortMessage);
  if (error.timedOut || /connect|refused|no such host|i\/o timeout|Unable to|TLS|EOF|certificate/i.test(said)) {
    return new DspError('kubernetes.unreachable', { context, problem });
  }
  return new DspError('kubernetes.refused', { problem });
}

/** Of the list that `args` name. */
export async function list<T>({ context, namespace }: Cluster, args: readonly string[]): Promise<readonly T[]> {
  const text = await kubectl(context, ['--namespace', namespace, 'get', ...args, '--output', 'json']);
  return (JSON.parse(text) as { items: readonly T[] }).items;
}

/** `-l` for everything that the project `name` made. */
export function ownedBy(name: string): readonly string[] {
  return ['--selector', `app.kubernetes.io/part-of=${name}`];
}

/** The part of kubectl's configuration that dsp reads. */
interface KubectlConfig {
  readonly contexts: readonly { readonly name: string }[] | null;
  readonly 'current-context': string;
}

export interface ChosenContext {
  readonly context: string;
  /** Whether kubectl goes there without being told. */
  readonly isCurrent: boolean;
}

/** The context to use: the given one, else kubectl's current one. Throws `kubernetes.no-context` with those on offer. */
export async function chooseContext(given: string | undefined): Promise<ChosenContext> {
  const config = JSON.parse(await kubectl(null, ['config', 'view', '--output', 'json'])) as KubectlConfig;
  const contexts = (config.contexts ?? []).map(({ name }) => name);
  const current = config['current-context'];
  const context = given ?? current;
  if (!contexts.includes(context)) throw new DspError('kubernetes.no-context', { given: context, contexts });
  return { context, isCurrent: context === current };
}

/** Throws `kubernetes.unreachable` when nobody answers. */
export async function checkReachable(context: string, signal: AbortSignal): Promise<void> {
  await kubectl(context, ['get', '--raw', '/version', '--request-timeout', '10s'], { signal });
}

/** Who may not look, as with rights in one namespace alone, is taken to name one that is there. */
export async function namespaceExists({ context, namespace }: Cluster): Promise<boolean> {
  try {
    const found = await kubectl(context, ['get', 'namespace', namespace, '--ignore-not-found', '--output', 'name']);
    return found.trim() !== '';
  } catch (error) {
    if (isForbidden(error)) return true;
    throw error;
  }
}

/** Whether the cluster refused a request of kubectl for want of a right. */
export function isForbidden(error: unknown): boolean {
  return error instanceof DspError && error.code === 'kubernetes.refused' && error.message.includes('(Forbidden)');
}
