/** A plan whose local target is of another size in one part: what a bench deploys while it loads the system. */

import type { Catalogue, Json } from '../pattern.ts';
import type { Part, Plan } from './plan.ts';
import { type WiredPart, wire } from './wire.ts';

/** `plan` with `sizing` as the part's local sizing, and the local topology that follows. */
export function withLocalSizing(plan: Plan, catalogue: Catalogue, part: string, sizing: Json): Plan {
  const parts = plan.parts.map((one) => (one.name === part ? { ...one, localSizing: sizing } : one));
  const { topology } = wire(
    parts.map((one) => wiredPart(one, plan, catalogue)),
    plan.requirements,
  );
  return { ...plan, parts, local: { ...plan.local, topology } };
}

function wiredPart(
  { name, pattern: id, localSizing, options, guarantees }: Part,
  plan: Plan,
  catalogue: Catalogue,
): WiredPart {
  const pattern = catalogue.find((candidate) => candidate.id === id);
  if (pattern === undefined) throw new Error(`the plan names the pattern ${id}, which is not there`);
  const providers = plan.edges.filter(({ from }) => from === name).map(({ capability, to }) => [capability, to]);
  return { name, pattern, sizing: localSizing, options, providers: Object.fromEntries(providers), guarantees };
}
