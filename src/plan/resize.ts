/** A plan whose local target is of another size in one part: what a bench deploys while it loads the system. */

import type { Binding, Catalogue, Json, PartContext, Topology } from '../pattern.ts';
import type { Plan } from './plan.ts';

/** `plan` with `sizing` as the part's local sizing, and the local topology that follows. */
export function withLocalSizing(plan: Plan, catalogue: Catalogue, part: string, sizing: Json): Plan {
  const parts = plan.parts.map((one) => (one.name === part ? { ...one, localSizing: sizing } : one));
  const offered = new Map<string, Readonly<Record<string, Binding>>>();
  const topologies: Topology[] = [];
  for (const one of parts) {
    const pattern = catalogue.find(({ id }) => id === one.pattern);
    if (pattern === undefined) throw new Error(`the plan names the pattern ${one.pattern}, which is not there`);
    const served = plan.edges.filter(({ from }) => from === one.name);
    const bindings = Object.fromEntries(
      served.flatMap(({ to, capability }) => {
        const binding = offered.get(to)?.[capability];
        return binding === undefined ? [] : [[capability, binding]];
      }),
    );
    const { name, localSizing, options, guarantees } = one;
    const context: PartContext<Json> = {
      name,
      sizing: localSizing,
      requirements: plan.requirements,
      options,
      bindings,
    };
    for (const capability of pattern.provides) {
      const found = guarantees[capability];
      if (found) offered.set(name, { ...offered.get(name), ...pattern.connect(context, found) });
    }
    topologies.push(pattern.topology(context));
  }
  const topology = {
    processSets: topologies.flatMap(({ processSets }) => processSets),
    jobs: topologies.flatMap(({ jobs }) => jobs),
  };
  return { ...plan, parts, local: { ...plan.local, topology } };
}
