/** What Pulumi's engine says about resources, gathered for people: changes, progress and failures. Pure. */

import type { EngineEvent, StepEventMetadata } from '@pulumi/pulumi/automation/index.js';

/** What happens to a resource; `replace` is a deletion and a creation. */
export type Operation = 'create' | 'update' | 'replace' | 'delete';

export interface Change {
  readonly operation: Operation;
  /** `StatefulSet store-redis` */
  readonly resource: string;
  /** Properties that differ, for an update. */
  readonly properties: readonly string[];
}

export interface Failure {
  readonly resource: string;
  /** Of Kubernetes' objects; the component's elsewhere. */
  readonly kind: string;
  readonly name: string;
  readonly message: string;
}

interface Named {
  readonly kind: string;
  readonly name: string;
}

/** Operations of the engine in our words; what is not here is bookkeeping. */
const operations: Readonly<Record<string, Operation>> = {
  create: 'create',
  'create-replacement': 'replace',
  update: 'update',
  delete: 'delete',
};

/** `urn:pulumi:stack::project::parent$kubernetes:apps/v1:StatefulSet::name` */
export function parseUrn(urn: string): Named & { readonly isObject: boolean } {
  const [, , types = '', ...name] = urn.split('::');
  const type = types.split('$').at(-1) ?? '';
  return { kind: type.split(':').at(-1) ?? type, name: name.join('::'), isObject: type.startsWith('kubernetes:') };
}

const describe = ({ kind, name }: Named) => `${kind} ${name}`;

/** The objects of the cluster that an operation changes; components are only groups of them. */
function changeOf(metadata: StepEventMetadata): Change | null {
  const operation = operations[metadata.op];
  const named = parseUrn(metadata.urn);
  if (operation === undefined || !named.isObject) return null;
  const properties = operation === 'update' ? Object.keys(metadata.detailedDiff ?? {}) : [];
  return { operation, resource: describe(named), properties };
}

/** What the engine writes in its events where a secret stands. */
const masked = '[secret]';

function textsOf({ new: state }: StepEventMetadata): Readonly<Record<string, string>> {
  const isShown = (entry: [string, unknown]): entry is [string, string] =>
    typeof entry[1] === 'string' && entry[1] !== masked;
  return Object.fromEntries(Object.entries(state?.outputs ?? {}).filter(isShown));
}

/** Listens to one operation of the engine. */
export class EngineLog {
  readonly #tell: (line: string) => void;
  readonly #nowMs: () => number;
  readonly #startedMs = new Map<string, number>();
  readonly #changes: Change[] = [];
  readonly #failed = new Set<string>();
  readonly #problems: { readonly urn: string; readonly message: string }[] = [];
  #unchanged = 0;
  #outputs: Readonly<Record<string, string>> = {};

  /** `tell` gets a line when a resource is done; a preview tells nothing. */
  constructor(tell: (line: string) => void, nowMs: () => number) {
    this.#tell = tell;
    this.#nowMs = nowMs;
  }

  readonly onEvent = (event: EngineEvent): void => {
    const { resourcePreEvent, resOutputsEvent, resOpFailedEvent, diagnosticEvent } = event;
    if (resourcePreEvent) this.#begin(resourcePreEvent.metadata);
    if (resOutputsEvent) this.#done(resOutputsEvent.metadata);
    if (resOutputsEvent?.metadata.type === 'pulumi:pulumi:Stack') this.#outputs = textsOf(resOutputsEvent.metadata);
    if (resOpFailedEvent) this.#failed.add(resOpFailedEvent.metadata.urn);
    if (diagnosticEvent?.severity === 'error') {
      const message = withoutColour(diagnosticEvent.message).trim();
      this.#problems.push({ urn: diagnosticEvent.urn ?? '', message });
    }
  };

  get changes(): readonly Change[] {
    return this.#changes;
  }

  get unchanged(): number {
    return this.#unchanged;
  }

  /** Objects of the cluster that failed, with what was said about each. */
  get failures(): readonly Failure[] {
    const urns = new Set([...this.#failed, ...this.#problems.map(({ urn }) => urn)]);
    return [...urns].flatMap((urn) => {
      const named = parseUrn(urn);
      if (!named.isObject) return [];
      const said = this.#problems.filter((problem) => problem.urn === urn).map(({ message }) => message);
      return [{ resource: describe(named), kind: named.kind, name: named.name, message: said.join('\n') }];
    });
  }

  /** What was said about no object: an error of the program, or of Pulumi itself. */
  get otherProblems(): readonly string[] {
    return this.#problems.filter(({ urn }) => !parseUrn(urn).isObject).map(({ message }) => message);
  }

  /** What the program returned, as far as it is text and no secret. */
  get outputs(): Readonly<Record<string, string>> {
    return this.#outputs;
  }

  #begin(metadata: StepEventMetadata): void {
    const change = changeOf(metadata);
    if (metadata.op === 'same' && parseUrn(metadata.urn).isObject) this.#unchanged++;
    if (change === null) return;
    this.#changes.push(change);
    this.#startedMs.set(`${metadata.op} ${metadata.urn}`, this.#nowMs());
  }

  #done(metadata: StepEventMetadata): void {
    const change = changeOf(metadata);
    if (change === null) return;
    const startedMs = this.#startedMs.get(`${metadata.op} ${metadata.urn}`) ?? this.#nowMs();
    const seconds = ((this.#nowMs() - startedMs) / 1000).toFixed(1);
    this.#tell(`  ${done[change.operation]} ${change.resource} (${seconds} s)`);
  }
}

const done: Readonly<Record<Operation, string>> = {
  create: '+ created ',
  update: '~ updated ',
  replace: '± replaced',
  delete: '- deleted ',
};

/** `2 to create, 1 to update; 20 unchanged` */
export function summarize(changes: readonly Change[], unchanged: number): string {
  const count = (operation: Operation) => changes.filter((change) => change.operation === operation).length;
  const counts = (['create', 'update', 'replace', 'delete'] as const)
    .filter((operation) => count(operation) > 0)
    .map((operation) => `${count(operation)} to ${operation}`);
  return `${counts.length === 0 ? 'no changes' : counts.join(', ')}; ${unchanged} unchanged`;
}

const signs: Readonly<Record<Operation, string>> = { create: '+', update: '~', replace: '±', delete: '-' };

/** One line a change. */
export function changeLines(changes: readonly Change[]): readonly string[] {
  return changes.map(({ operation, resource, properties }) => {
    const what = properties.length === 0 ? '' : `  ${properties.slice(0, 6).join(', ')}`;
    return `${signs[operation]} ${operation.padEnd(7)} ${resource}${what}`;
  });
}

/** The engine marks colours as `<{%fg 1%}>`. */
function withoutColour(text: string): string {
  return text.replace(/<\{%[^%]*%\}>/g, '');
}
