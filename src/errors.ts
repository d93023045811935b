/**
 * The catalogue of errors: what happened, where, and the command that mends it. An error is a code and its
 * parameters; README's table lists the codes, and a test holds the two together.
 */

import { benchErrors } from './errors/bench.ts';
import { type Entry, type ExitCode, entry, quote } from './errors/entry.ts';

export type { ExitCode };

export const catalogue = {
  // requirements: src/requirements
  'input.missing': entry<{ keys: readonly string[] }>({
    exitCode: 2,
    meaning: 'Answers are missing and nobody can be asked.',
    what: ({ keys }) => `these answers are missing: ${keys.join(', ')}`,
    mend: ({ keys }) =>
      `give them with ${keys.map((key) => `--set ${key}=…`).join(' ')}, or take the defaults with --yes`,
  }),
  'requirements.invalid': entry<{
    problems: readonly { readonly where: string; readonly key: string; readonly problem: string }[];
  }>({
    exitCode: 2,
    meaning: 'Answers are malformed, unknown, impossible, or contradict each other; every one is listed.',
    what: ({ problems }) =>
      problems
        .map(({ where, key, problem }) => `${where && `${where}: `}${key && `${key} `}${problem}`)
        .join('\n       '),
    mend: ({ problems }) => {
      const wrong = [...new Set(problems.map(({ key, where }) => key || where))].filter((name) => name !== '');
      return `correct ${wrong.slice(0, 8).join(', ')}${wrong.length > 8 ? ' and the rest' : ''}`;
    },
  }),
  'requirements.unreadable': entry<{ path: string; problem: string }>({
    exitCode: 2,
    meaning: 'The file of answers cannot be read.',
    what: ({ path, problem }) => `${path} cannot be read: ${problem}`,
    mend: ({ path }) => `look at it with ls -l ${JSON.stringify(path)}`,
  }),

  // plan: src/plan
  'plan.unreadable': entry<{ problem: string }>({
    exitCode: 1,
    meaning: 'plan.json is missing, malformed, or of another version.',
    what: ({ problem }) => `the plan cannot be read: ${problem}`,
    mend: () => 'write it again with `dsp plan --write`',
  }),

  'measured.unreadable': entry<{ problem: string }>({
    exitCode: 1,
    meaning: 'measured.json is malformed, or of another version.',
    what: ({ problem }) => `the measured service times cannot be read: ${problem}`,
    mend: () => 'measure them again with `dsp bench --calibrate`, or delete the file to plan without them',
  }),

  // project: src/project
  'project.not-empty': entry<{ dir: string; found: string }>({
    exitCode: 2,
    meaning: 'A new project needs a folder that is empty or not there yet.',
    what: ({ dir, found }) => `${dir} is not empty (it holds ${found})`,
    mend: () => 'name another folder: dsp new DIR',
  }),
  'project.not-a-folder': entry<{ path: string }>({
    exitCode: 2,
    meaning: 'A project is a folder, and something else is in its place.',
    what: ({ path }) => `${path} is not a folder`,
    mend: () => 'name another folder: dsp new DIR',
  }),
  'project.no-space': entry<{ path: string }>({
    exitCode: 4,
    meaning: 'The disk is full; nothing half-written is left.',
    what: ({ path }) => `no space left on the disk for ${path}`,
    mend: () => 'free some space (df -h shows where), then run the same command again',
  }),
  'project.unwritable': entry<{ path: string; problem: string }>({
    exitCode: 4,
    meaning: 'The system refuses to read or write a file of the project.',
    what: ({ path, problem }) => `${path} cannot be read or written: ${problem}`,
    mend: ({ path }) => `look at the rights with ls -ld ${JSON.stringify(path)}, then run the same command again`,
  }),
  'project.busy': entry<{ pid: number; dir: string }>({
    exitCode: 1,
    meaning: 'Another dsp is writing the same project.',
    what: ({ pid }) => `process ${pid} is writing this project`,
    mend: ({ pid, dir }) => `wait for it; if process ${pid} is no dsp, delete ${dir}`,
  }),
  'project.disagrees': entry<{ disagreements: readonly string[]; command: string }>({
    exitCode: 1,
    meaning: 'dsp.yaml, plan.json and the generated files do not agree.',
    what: ({ disagreements }) => disagreements.join('; '),
    mend: ({ command }) => command,
  }),
  'project.unsafe-value': entry<{ what: string; value: string; allowed: string }>({
    exitCode: 2,
    meaning: 'A value cannot be written safely into a generated file.',
    what: ({ what, value, allowed }) => `${what} is ${JSON.stringify(value)}; allowed is ${allowed}`,
    mend: ({ what }) => `change ${what} in dsp.yaml, then run: dsp plan --write`,
  }),

  // deploy: src/deploy
  'env.unsupported': entry<{ platform: string }>({
    exitCode: 4,
    meaning: 'The local target needs a Linux with /proc.',
    what: ({ platform }) => `the local target knows its processes by /proc, which ${platform} does not have`,
    mend: () => 'run it on Linux, in WSL 2, or in a Linux container',
  }),
  'env.engine-missing': entry<{ program: string; minimum: string; found: readonly string[] }>({
    exitCode: 4,
    meaning: 'An engine of the plan is not on PATH, or too old.',
    what: ({ program, minimum, found }) =>
      `no ${program} ≥ ${minimum} on PATH${found.length === 0 ? '' : ` (found ${found.join(', ')})`}`,
    mend: () => 'get it with `dsp doctor --fix`',
  }),
  'env.no-faketime': entry<Record<string, never>>({
    exitCode: 4,
    meaning: 'A fault steps a clock, and libfaketime, which that takes, is not installed.',
    what: () => 'no clock can be stepped: libfaketime is not installed',
    mend: () => 'install it (Debian, Ubuntu: `apt-get install libfaketime`), or leave the clock faults out',
  }),
  'env.ports-taken': entry<{ needed: number; from: number; to: number }>({
    exitCode: 4,
    meaning: 'There are not enough free ports on 127.0.0.1 below the ephemeral range.',
    what: ({ needed, from, to }) => `found no ${needed} free ports from ${from} to ${to} on 127.0.0.1`,
    mend: () => 'stop what listens there (`ss -ltnp` shows it), or `dsp destroy` projects that are no longer needed',
  }),
  'deploy.busy': entry<{ command: string; pid: number }>({
    exitCode: 1,
    meaning: 'Another dsp is changing the same deployment.',
    what: ({ command, pid }) => `${command} (pid ${pid}) is at work on this project`,
    mend: ({ pid }) => `wait for it, or end it with \`kill ${pid}\``,
  }),
  'deploy.state-unreadable': entry<{ reason: string }>({
    exitCode: 1,
    meaning: 'The record of what runs is damaged.',
    what: ({ reason }) => `the record of what runs cannot be read: ${reason}`,
    mend: () => 'run `dsp destroy`, which finds the processes without it, then `dsp deploy`',
  }),
  'deploy.secrets-unreadable': entry<{ reason: string }>({
    exitCode: 1,
    meaning: 'The file with the secrets of the deployment is damaged.',
    what: ({ reason }) => `the secrets of the deployment cannot be read: ${reason}`,
    mend: () => 'stop it with `dsp destroy --keep-data`, remove that file, then `dsp deploy` makes new secrets',
  }),
  'deploy.none': entry({
    exitCode: 1,
    meaning: 'The command works on a deployment, and nothing is deployed.',
    what: () => 'nothing is deployed',
    mend: () => 'run `dsp deploy`',
  }),
  'deploy.file-missing': entry<{ path: string; reader: string }>({
    exitCode: 1,
    meaning: 'A file that a process of the plan reads is gone.',
    what: ({ path, reader }) => `${reader} reads ${path}, which is missing`,
    mend: () => 'write it again with `dsp plan --write`',
  }),
  'deploy.build-failed': entry<{ step: string; reason: string; lines: readonly string[] }>({
    exitCode: 5,
    meaning: 'Installing, type-checking or bundling the project failed.',
    what: ({ step, reason, lines }) => `\`${step}\` ${reason}${quote(lines)}`,
    mend: () => 'mend what it says, then run `dsp deploy` again; `dsp logs build` shows all of it',
  }),
  'deploy.died': entry<{ instance: string; how: string; lines: readonly string[] }>({
    exitCode: 5,
    meaning: 'A process ended while it started.',
    what: ({ instance, how, lines }) => `${instance} ${how}${quote(lines)}`,
    mend: ({ instance }) => `mend what its log says (\`dsp logs ${instance}\`), then run \`dsp deploy\` again`,
  }),
  'deploy.not-ready': entry<{ instance: string; seconds: number; reason: string; lines: readonly string[] }>({
    exitCode: 5,
    meaning: 'A process runs and does not become ready.',
    what: ({ instance, seconds, reason, lines }) =>
      `${instance} is not ready after ${seconds} s: ${reason}${quote(lines)}`,
    mend: ({ instance }) => `see \`dsp logs ${instance}\`, then run \`dsp deploy\` again`,
  }),
  'deploy.job-failed': entry<{ job: string; reason: string; lines: readonly string[] }>({
    exitCode: 5,
    meaning: 'A job that brings the engines to the planned state failed.',
    what: ({ job, reason, lines }) => `${job} ${reason}${quote(lines)}`,
    mend: ({ job }) => `see \`dsp logs ${job}\` and \`dsp status\`, then run \`dsp deploy\` again`,
  }),
  'deploy.not-stopped': entry<{ pids: readonly number[] }>({
    exitCode: 1,
    meaning: 'A process outlived SIGKILL, so its data and ports are kept.',
    what: ({ pids }) => `still there after SIGKILL: pid ${pids.join(', ')}`,
    mend: () => 'end them as their owner or as root, then run `dsp destroy` again',
  }),

  // deploy on Kubernetes: src/deploy/kubernetes
  'kubernetes.no-kubectl': entry({
    exitCode: 4,
    meaning: 'The Kubernetes target needs kubectl, and it is not on PATH.',
    what: () => 'kubectl is not on PATH',
    mend: () => 'install it (https://kubernetes.io/docs/tasks/tools), then look with `dsp doctor --target kubernetes`',
  }),
  'kubernetes.no-pulumi': entry<{ problem: string | null }>({
    exitCode: 4,
    meaning: 'The Kubernetes target needs the Pulumi CLI, and it is not on PATH or too old.',
    what: ({ problem }) => (problem === null ? 'pulumi is not on PATH' : `pulumi cannot be used: ${problem}`),
    mend: () => 'install it (https://www.pulumi.com/docs/install), then look with `dsp doctor --target kubernetes`',
  }),
  'kubernetes.no-context': entry<{ given: string; contexts: readonly string[] }>({
    exitCode: 4,
    meaning: 'kubectl knows no context of that name, or none at all.',
    what: ({ given, contexts }) =>
      `${given === '' ? 'kubectl has no current context' : `kubectl has no context ${JSON.stringify(given)}`}` +
      (contexts.length === 0 ? ', nor any other' : `; it has ${contexts.join(', ')}`),
    mend: ({ contexts }) =>
      contexts.length === 0 ? 'point KUBECONFIG at the cluster’s file' : `give --context ${contexts[0]}`,
  }),
  'kubernetes.unreachable': entry<{ context: string; problem: string }>({
    exitCode: 4,
    meaning: 'The cluster does not answer.',
    what: ({ context, problem }) => `the cluster of context ${context} does not answer: ${problem}`,
    mend: ({ context }) => `start it, or look with \`kubectl --context ${context} version\`; --context names another`,
  }),
  'kubernetes.no-rights': entry<{ namespace: string; missing: readonly string[] }>({
    exitCode: 4,
    meaning: 'The cluster does not allow what a deployment, or a bench of it, does.',
    what: ({ namespace, missing }) => `in namespace ${namespace} you may not ${missing.join('; ')}`,
    mend: ({ namespace }) =>
      `ask the cluster's administrator for a role with these rights in ${namespace}, or give another --namespace`,
  }),
  'kubernetes.refused': entry<{ problem: string }>({
    exitCode: 5,
    meaning: 'The cluster refused a request.',
    what: ({ problem }) => `the cluster refused: ${problem}`,
    mend: () => 'mend what it says, then run the same command again',
  }),
  'kubernetes.passphrase': entry<{ stack: string; path: string | null }>({
    exitCode: 4,
    meaning: "The stack's secrets cannot be read with this passphrase.",
    what: ({ stack }) => `the passphrase does not open the stack ${stack}`,
    mend: ({ path }) =>
      path === null
        ? 'set PULUMI_CONFIG_PASSPHRASE to the one that it was made with'
        : `set PULUMI_CONFIG_PASSPHRASE to the one that it was made with, or put it into ${path}`,
  }),
  'kubernetes.locked': entry<{ holder: string; stack: string }>({
    exitCode: 1,
    meaning: 'Another run is changing the same stack, or one that died left its lock.',
    what: ({ holder, stack }) => `the stack ${stack} is locked by ${holder}`,
    mend: () => 'wait for it; if it is dead, run the same command with --unlock',
  }),
  'kubernetes.no-builder': entry<{ bundles: readonly string[]; found: string }>({
    exitCode: 4,
    meaning: 'Images are to be built, and there is neither docker with a daemon that answers nor buildah.',
    what: ({ bundles, found }) => `nobody can build ${bundles.join(', ')}: ${found}`,
    mend: ({ bundles }) =>
      `start docker's daemon, install buildah, or name images: ${bundles.map((bundle) => `--image ${bundle}=…`).join(' ')}`,
  }),
  'kubernetes.image-failed': entry<{ step: string; lines: readonly string[] }>({
    exitCode: 5,
    meaning: 'Building or pushing an image failed.',
    what: ({ step, lines }) => `\`${step}\` failed${quote(lines)}`,
    mend: () => 'mend what it says, then run `dsp deploy --target kubernetes` again',
  }),
  'kubernetes.not-ready': entry<{
    resource: string;
    others: readonly string[];
    causes: readonly string[];
    events: readonly string[];
    pod: string | null;
    lines: readonly string[];
    namespace: string;
  }>({
    exitCode: 5,
    meaning: 'A resource on Kubernetes was refused or did not become ready; its events and last log lines are shown.',
    what: ({ resource, others, causes, events, lines }) =>
      `${resource} did not come up: ${causes.join('; ')}` +
      (others.length === 0 ? '' : ` (nor did ${others.join(', ')})`) +
      (events.length === 0 ? '' : `\n  events:${quote(events)}`) +
      (lines.length === 0 ? '' : `\n  its last log lines:${quote(lines)}`),
    mend: ({ pod, namespace }) =>
      `mend that, then run \`dsp deploy --target kubernetes\` again, which goes on from here` +
      (pod === null ? '' : `; more with \`kubectl --namespace ${namespace} describe pod ${pod}\``),
  }),
  'kubernetes.pulumi-failed': entry<{ problem: string }>({
    exitCode: 5,
    meaning: "The project's Pulumi program or Pulumi itself failed.",
    what: ({ problem }) => `pulumi failed: ${problem}`,
    mend: () => 'mend what it says, then run `dsp deploy --target kubernetes` again, which goes on from here',
  }),
  'kubernetes.which-target': entry({
    exitCode: 2,
    meaning: 'Both targets hold a deployment of this project, and none was named.',
    what: () => 'the project is deployed on this machine and on Kubernetes',
    mend: () => 'give --target local or --target kubernetes',
  }),

  ...benchErrors,

  // every command
  'input.no-project': entry<{ dir: string }>({
    exitCode: 2,
    meaning: 'The command works on a project, and there is none here.',
    what: ({ dir }) => `no dsp.yaml in ${dir} or above`,
    mend: () => 'make a project with `dsp new`, or name one with -C DIR',
  }),
  'input.set-and-write': entry<{ set: readonly string[] }>({
    exitCode: 2,
    meaning: '--set tries a value out; what is written follows dsp.yaml, which is yours to edit.',
    what: ({ set }) => `--write follows dsp.yaml, and ${set.join(', ')} would not be in it`,
    mend: () => 'set it in dsp.yaml, then run: dsp plan --write',
  }),
  'input.choice': entry<{ key: string; given: string; choices: readonly string[] }>({
    exitCode: 2,
    meaning: 'A value is not one of those on offer.',
    what: ({ key, given, choices }) => `${key} is ${JSON.stringify(given)}; it can be ${choices.join(', ')}`,
    mend: ({ choices }) => `give one of ${choices.join(', ')}`,
  }),
  interrupted: entry({
    exitCode: 130,
    meaning: 'Ctrl-C, or SIGTERM.',
    what: () => 'interrupted',
    mend: () => 'run the same command again',
  }),
};

export type ErrorCode = keyof typeof catalogue;
export type ErrorParams<C extends ErrorCode> = Parameters<(typeof catalogue)[C]['what']>[0];

/** An expected failure. `where` is a file with its line, a key, or a process; absent when the whole command is meant. */
export class DspError<C extends ErrorCode = ErrorCode> extends Error {
  readonly code: C;
  readonly params: ErrorParams<C>;
  readonly where: string | undefined;
  readonly exitCode: ExitCode;

  constructor(code: C, params: ErrorParams<C>, options: { where?: string; cause?: unknown } = {}) {
    const found = catalogue[code] as unknown as Entry<ErrorParams<C>>;
    super(found.what(params), options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'DspError';
    this.code = code;
    this.params = params;
    this.where = options.where;
    this.exitCode = found.exitCode;
  }

  get mend(): string {
    return (catalogue[this.code] as unknown as Entry<ErrorParams<C>>).mend(this.params);
  }
}

/** The error as people read it: what, where, and the command that mends it. */
export function describeError(error: DspError): string {
  const where = error.where === undefined ? '' : `\n  where: ${error.where}`;
  return `error: ${error.message} [${error.code}]${where}\n  mend:  ${error.mend}`;
}
