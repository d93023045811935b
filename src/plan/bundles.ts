/** What is to be built for a topology. */

import type { Topology } from '../pattern.ts';

/** The bundles of the services that its processes, what stands beside them, and its jobs run; each once, in their order. */
export function bundlesOf({ processSets, jobs }: Topology): readonly string[] {
  const beside = processSets.flatMap(({ sidecars = [] }) => sidecars);
  const programs = [...processSets, ...beside, ...jobs].map(({ program }) => program);
  return [...new Set(programs.flatMap((program) => (program.kind === 'service' ? [program.bundle] : [])))];
}
