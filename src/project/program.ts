/** The Pulumi program of a plan: each part's processes as typed literals, and an index.ts that constructs the parts. */

import type { Catalogue, Json, PartContext, Topology } from '../pattern.ts';
import type { Part, Plan } from '../plan/plan.ts';
import { printKey, printLiteral, printString } from './literal.ts';
import { checkInnerPath } from './names.ts';
import { unsafe } from './unsafe.ts';

/** `index.ts`: one function and nothing else, since a module that acts on import acts only once. */
export function printProgram(plan: Plan, catalogue: Catalogue): string {
  const parts = plan.parts.map((part) => programPart(part, plan, catalogue));
  checkDistinct(parts.map((part) => part.identifier));
  const name = plan.requirements.name;
  const topologies = parts.map((part) => `${part.identifier}Topology`).join(', ');
  return [
    ...printImports(parts),
    '',
    `/** The Pulumi program of ${name}. Importing it does nothing: Pulumi calls it, at every operation anew. */`,
    'export default async function program(): Promise<Record<string, string | undefined>> {',
    `  const target = configuredTarget(${printString(name)}, import.meta.url, [${topologies}]);`,
    ...parts.map(printPart),
    `  return { ${parts.map(({ name, identifier }) => `${printKey(name)}: ${identifier}Part.url`).join(', ')} };`,
    '}',
    '',
  ].join('\n');
}

/** `parts/<part>/topology.ts`: the part's processes at the target's scale. */
export function printTopology(part: Part, topology: Topology): string {
  const secrets = topology.secrets?.filter((secret) => secret.part === part.name) ?? [];
  const own: Topology = {
    processSets: topology.processSets.filter((set) => set.part === part.name),
    jobs: topology.jobs.filter((job) => job.part === part.name),
    ...(secrets.length > 0 ? { secrets } : {}),
  };
  return [
    "import type { Topology } from '../../stacks/topology.ts';",
    '',
    `/** The processes of ${part.name}: how many, with what, and what they wait for. */`,
    `export const topology: Topology = ${printLiteral(own as unknown as Json)};`,
    '',
  ].join('\n');
}

/** What a pattern is told about its part when it describes the part's files and component. */
export function partContext(part: Part, plan: Plan): PartContext<Json> {
  const { name, sizing, options, bindings } = part;
  return { name, sizing, requirements: plan.requirements, options, bindings };
}

interface ProgramPart {
  readonly name: string;
  readonly identifier: string;
  readonly module: string;
  readonly construct: string;
  readonly args: Readonly<Record<string, Json>>;
}

function programPart(part: Part, plan: Plan, catalogue: Catalogue): ProgramPart {
  const pattern = catalogue.find((candidate) => candidate.id === part.pattern);
  if (pattern === undefined) throw unsafe(`the pattern of ${part.name}`, part.pattern, 'a pattern of the catalogue');
  const { module, construct, args } = pattern.stack(partContext(part, plan));
  checkInnerPath(`the stack of ${part.pattern}`, module);
  if (!/^[A-Z][A-Za-z0-9]*$/.test(construct)) throw unsafe(`the stack of ${part.pattern}`, construct, 'a class name');
  return {
    name: part.name,
    identifier: identifierOf(part.name),
    module: `patterns/${part.pattern}/${module}`,
    construct,
    args,
  };
}

function printImports(parts: readonly ProgramPart[]): readonly string[] {
  const topologies = parts.map(
    ({ name, identifier }) => `import { topology as ${identifier}Topology } from './parts/${name}/topology.ts';`,
  );
  const modules = parts.map(({ module, construct }) => `import { ${construct} } from './${module}';`);
  const target = "import { configuredTarget } from './stacks/configuration.ts';";
  return [...topologies.sort(), ...[...new Set(modules)].sort(), target];
}

function printPart({ name, identifier, construct, args }: ProgramPart): string {
  const own = Object.entries(args).map(
    ([key, value]) => `${printArgument(key)}: ${printLiteral(value, 4, 6 + key.length)}`,
  );
  const entries = ['target', `topology: ${identifier}Topology`, ...own];
  const flat = `  const ${identifier}Part = new ${construct}(${printString(name)}, { ${entries.join(', ')} });`;
  if (flat.length <= 120 && !flat.includes('\n')) return flat;
  const lines = entries.map((entry) => `    ${entry},`);
  return [`  const ${identifier}Part = new ${construct}(${printString(name)}, {`, ...lines, '  });'].join('\n');
}

function printArgument(key: string): string {
  if (!/^[a-z][A-Za-z0-9]*$/.test(key) || key === 'target' || key === 'topology') {
    throw unsafe('an argument of a stack', key, 'a camelCase name other than target and topology');
  }
  return key;
}

/** `limiter-store` → `limiterStore`, `a-1` → `a_1`; every use adds a suffix, so that no keyword can come of it. */
export function identifierOf(name: string): string {
  return name.replace(/-+([a-z])/g, (_, letter: string) => letter.toUpperCase()).replace(/-/g, '_');
}

function checkDistinct(identifiers: readonly string[]): void {
  const twice = identifiers.find((identifier, index) => identifiers.indexOf(identifier) !== index);
  if (twice !== undefined)
    throw unsafe('the names of the parts', twice, 'names that differ in more than their hyphens');
}
