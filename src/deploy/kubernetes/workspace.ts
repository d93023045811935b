/**
 * The project's stack through Pulumi's Automation API. The API and the program come from the project: the program's
 * resources must register with the very copy of @pulumi/pulumi that drives the engine. A program is loaded once, and that
 * one load serves every operation of this process until it is built anew.
 */

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Automation from '@pulumi/pulumi/automation/index.js';
import { parse } from 'yaml';
import { sha256 } from '../../digest.ts';
import { DspError } from '../../errors.ts';
import { type Home, passphraseOf } from './home.ts';
import { withLazyPackages } from './lazy-packages.ts';
import { type AutomationErrors, asRunHere } from './pulumi-command.ts';

export type Stack = Automation.Stack;

export interface StackRequest {
  readonly home: Home;
  readonly project: string;
  readonly stack: string;
  /** URL; null: the project's own. */
  readonly backend: string | null;
  /** Without the project's prefix; a null is taken out. Keys that are not named stay as they are. */
  readonly config: Readonly<Record<string, string | null>>;
  readonly context: string;
  /** Absolute path, when the cluster is not kubectl's current one. */
  readonly kubeconfig: string | null;
}

/** Bundled by `npm run build`. */
export const programPath = join('dist', 'index.mjs');

/** Makes or selects the stack, with its configuration. Throws `kubernetes.no-pulumi` and `deploy.state-locked-out`. */
export async function openStack(request: StackRequest): Promise<Stack> {
  const { home, project, stack: stackName } = request;
  const automation = loadAutomation(home.root);
  // The command line tells its version meanwhile.
  const [pulumiCommand, program] = await Promise.all([pulumiCli(home.root, automation), loadProgram(home.root)]);
  try {
    const stack = await automation.LocalWorkspace.createOrSelectStack(
      { stackName, projectName: project, program },
      { workDir: home.root, pulumiCommand, envVars: environment(request) },
    );
    await configure(stack, request);
    return stack;
  } catch (error) {
    throw lockedOut(error, request);
  }
}

type Program = () => Promise<Record<string, unknown>>;

/** Node keeps modules by their URL: what was built anew, as for another topology, has another one. */
async function loadProgram(root: string): Promise<Program> {
  const path = join(root, programPath);
  const url = `${pathToFileURL(path).href}?sha256=${sha256(readFileSync(path))}`;
  return ((await import(url)) as { readonly default: Program }).default;
}

function loadAutomation(root: string): typeof Automation {
  const require = createRequire(join(root, 'package.json'));
  const load = () => require('@pulumi/pulumi/automation/index.js') as typeof Automation;
  return withLazyPackages('@pulumi/pulumi', ['typescript', '@npmcli/arborist'], load);
}

async function pulumiCli(root: string, automation: typeof Automation): Promise<Automation.PulumiCommand> {
  const require = createRequire(join(root, 'package.json'));
  try {
    const found = await automation.PulumiCommand.get();
    return asRunHere(found, require('@pulumi/pulumi/automation/errors.js') as AutomationErrors);
  } catch (error) {
    const problem = error instanceof Error && !/ENOENT/.test(error.message) ? firstLine(error.message) : null;
    throw new DspError('kubernetes.no-pulumi', { problem });
  }
}

/** What the environment says goes before what the project has. */
function environment({ home, backend, kubeconfig }: StackRequest): Record<string, string> {
  const { PULUMI_CONFIG_PASSPHRASE, PULUMI_CONFIG_PASSPHRASE_FILE } = process.env;
  const hasPassphrase = PULUMI_CONFIG_PASSPHRASE !== undefined || PULUMI_CONFIG_PASSPHRASE_FILE !== undefined;
  return {
    PULUMI_SKIP_UPDATE_CHECK: 'true',
    PULUMI_BACKEND_URL: backend ?? pathToFileURL(home.stateDir).href,
    ...(hasPassphrase || backend !== null ? {} : { PULUMI_CONFIG_PASSPHRASE: passphraseOf(home) }),
    ...(kubeconfig === null ? {} : { KUBECONFIG: kubeconfig }),
  };
}

/** The backend that the user chose: in the environment, or in Pulumi.yaml as Pulumi itself reads it; null: none. */
export function chosenBackend(root: string): string | null {
  const { PULUMI_BACKEND_URL } = process.env;
  if (PULUMI_BACKEND_URL) return PULUMI_BACKEND_URL;
  const path = join(root, 'Pulumi.yaml');
  const settings = existsSync(path) ? (parse(readFileSync(path, 'utf8')) as { backend?: { url?: string } }) : null;
  return settings?.backend?.url ?? null;
}

/** Pulumi.<stack>.yaml, where `pulumi up` finds the same. */
async function configure(stack: Stack, { project, config, context }: StackRequest): Promise<void> {
  // Backends that keep secrets themselves have no such file until something is set.
  const before = await stack.workspace.stackSettings(stack.name).catch((): Automation.StackSettings => ({}));
  const values = new Map(Object.entries(before.config ?? {}));
  for (const [key, value] of Object.entries(config)) {
    if (value === null) values.delete(`${project}:${key}`);
    else values.set(`${project}:${key}`, value);
  }
  values.set('kubernetes:context', context);
  const after = { ...before, config: Object.fromEntries(values) };
  if (JSON.stringify(after) !== JSON.stringify(before)) await stack.workspace.saveStackSettings(stack.name, after);
}

function lockedOut(error: unknown, { stack, home, backend }: StackRequest): unknown {
  const said = error instanceof Error ? error.message : '';
  if (!/incorrect passphrase|passphrase must be set|PULUMI_CONFIG_PASSPHRASE/.test(said)) return error;
  return new DspError('kubernetes.passphrase', { stack, path: backend === null ? home.passphrasePath : null });
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? text;
}
