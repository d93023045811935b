/** Parts of given sizes, connected: what each is told of its providers, and the topology of them all. */

import type {
  Binding,
  Guarantees,
  Json,
  PartContext,
  Pattern,
  ProcessSet,
  Requirements,
  Topology,
} from '../pattern.ts';

export interface WiredPart {
  readonly name: string;
  readonly pattern: Pattern;
  readonly sizing: Json;
  readonly options: Readonly<Record<string, Json>>;
  /** By capability: the name of the part that provides it. */
  readonly providers: Readonly<Record<string, string>>;
  /** By capability that it provides. */
  readonly guarantees: Readonly<Record<string, Guarantees>>;
}

export interface Wired {
  readonly contexts: readonly PartContext<Json>[];
  readonly topology: Topology;
}

interface Provider {
  readonly part: WiredPart;
  readonly context: PartContext<Json>;
}

/** `parts` in order of dependency, providers first. */
export function wire(parts: readonly WiredPart[], requirements: Requirements): Wired {
  const wired = new Map<string, Provider>();
  for (const part of parts) {
    const { name, sizing, options } = part;
    const bindings = Object.fromEntries(
      Object.entries(part.providers).map(([capability, provider]) => [
        capability,
        bindingOf(wired.get(provider), capability, name),
      ]),
    );
    wired.set(name, { part, context: { name, sizing, requirements, options, bindings } });
  }
  const all = [...wired.values()];
  return {
    contexts: all.map(({ context }) => context),
    topology: joined(
      all.map(({ part, context }) => part.pattern.topology(context)),
      requirements,
    ),
  };
}

function bindingOf(provider: Provider | undefined, capability: string, consumer: string): Binding {
  const guarantees = provider?.part.guarantees[capability];
  const offered = guarantees && provider?.part.pattern.connect(provider.context, guarantees, consumer)[capability];
  if (offered === undefined) throw new Error(`nobody offers ${capability} to ${consumer}`);
  return offered;
}

/** From the image that the user named for its engine. */
function withImage(set: ProcessSet, { images = {} }: Requirements): ProcessSet {
  const image = set.program.kind === 'engine' ? images[set.program.program] : undefined;
  return set.program.kind === 'engine' && image !== undefined ? { ...set, program: { ...set.program, image } } : set;
}

function joined(topologies: readonly Topology[], requirements: Requirements): Topology {
  const secrets = topologies.flatMap((topology) => topology.secrets ?? []);
  return {
    processSets: topologies.flatMap(({ processSets }) => processSets.map((set) => withImage(set, requirements))),
    jobs: topologies.flatMap((topology) => topology.jobs),
    ...(secrets.length > 0 ? { secrets } : {}),
  };
}
