/** What every pattern of the catalogue keeps, whatever it is. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Job, ProcessSet, Topology, Value } from '../../src/pattern.ts';
import { assemblePlan, isNoPlan } from '../../src/plan/assemble.ts';
import { checkValue } from '../../src/requirements/values.ts';
import { catalogue } from '../../templates/index.ts';
import { requirements } from '../unit/plan/requirements.ts';

const folder = (id: string, path: string) => fileURLToPath(new URL(`../../templates/${id}/${path}`, import.meta.url));
const word = /^[a-z][a-z0-9-]*$/;

function references(value: Value): readonly Exclude<Value, string>[] {
  if (typeof value === 'string') return [];
  return 'concat' in value ? value.concat.flatMap(references) : [value];
}

/** Everything in a topology that names something that is not there. */
function faultsOf(topology: Topology): readonly string[] {
  const all: readonly (ProcessSet | Job)[] = [...topology.processSets, ...topology.jobs];
  const ids = all.map(({ id }) => id);
  const faults = ids.filter((id, index) => ids.indexOf(id) !== index || !word.test(id)).map((id) => `id ${id}`);
  for (const each of all) {
    for (const needed of each.dependsOn) if (!ids.includes(needed)) faults.push(`${each.id} depends on ${needed}`);
    for (const reference of [...each.args, ...Object.values(each.env)].flatMap(references)) {
      const problem = brokenReference(each, reference, topology);
      if (problem !== null) faults.push(`${each.id}: ${problem}`);
    }
  }
  return [...faults, ...cycles(all)];
}

function brokenReference(from: ProcessSet | Job, reference: Exclude<Value, string>, topology: Topology): string | null {
  if ('addressesOf' in reference) {
    const set = topology.processSets.find(({ id }) => id === reference.addressesOf);
    return set?.ports.some(({ name }) => name === reference.port) ? null : `addresses of ${reference.addressesOf}`;
  }
  const own = 'ports' in from ? from : { ports: [], volumes: [], files: [] };
  if ('ownPort' in reference)
    return own.ports.some(({ name }) => name === reference.ownPort) ? null : `port ${reference.ownPort}`;
  if ('volume' in reference)
    return own.volumes.some(({ name }) => name === reference.volume) ? null : `volume ${reference.volume}`;
  if ('file' in reference)
    return own.files.some(({ name }) => name === reference.file) ? null : `file ${reference.file}`;
  return null;
}

function cycles(all: readonly (ProcessSet | Job)[]): readonly string[] {
  const reaches = (from: string, to: string, seen: Set<string>): boolean =>
    (all.find(({ id }) => id === from)?.dependsOn ?? []).some((next) => {
      if (next === to) return true;
      if (seen.has(next)) return false;
      seen.add(next);
      return reaches(next, to, seen);
    });
  return all.filter(({ id }) => reaches(id, id, new Set())).map(({ id }) => `cycle through ${id}`);
}

describe('the checks themselves', () => {
  it('notice a name that is not there, and a cycle', () => {
    const made = assemblePlan(requirements(), catalogue);
    if (isNoPlan(made)) throw new Error('no plan');
    const [first] = made.topology.processSets as [ProcessSet];
    const broken: ProcessSet = { ...first, dependsOn: ['nowhere', first.id], env: { X: { file: 'none' } } };
    expect(faultsOf({ processSets: [broken], jobs: [] })).toHaveLength(3);
  });
});

describe.each(catalogue.map((pattern) => [pattern.id, pattern] as const))('%s', (id, pattern) => {
  const made = assemblePlan(requirements({ needs: [pattern.need.id] }), catalogue);
  if (isNoPlan(made)) throw new Error(`${id}: no plan for ordinary requirements`);
  const part = made.parts.find((candidate) => candidate.pattern === id && candidate.need === pattern.need.id);
  if (part === undefined) throw new Error(`${id}: no part of its own need`);
  const context = { ...part, requirements: made.requirements };

  it('is one folder with everything in it', () => {
    for (const path of [
      'pattern.ts',
      'stack.ts',
      'README.md',
      `${pattern.workloadModule}.ts`,
      `${pattern.invariantsModule}.ts`,
    ]) {
      expect(existsSync(folder(id, path)), path).toBe(true);
    }
    for (const file of pattern.files(context))
      expect(existsSync(folder(id, `config/${file.template}`)), file.template).toBe(true);
    expect(existsSync(folder(id, pattern.stack(context).module))).toBe(true);
  });

  it('has names of its own', () => {
    for (const name of [id, pattern.need.id, pattern.partName]) expect(name).toMatch(word);
    for (const key of ['id', 'partName'] as const) {
      expect(catalogue.filter((other) => other[key] === pattern[key])).toHaveLength(1);
    }
    expect(catalogue.filter((other) => other.need.id === pattern.need.id)).toHaveLength(1);
  });

  it('asks questions whose priors answer them, each with the decision it feeds', () => {
    for (const question of pattern.questions) {
      expect(checkValue(question.type, question.prior), question.key).toEqual({ value: question.prior });
      expect(question.feeds.length * question.priorSource.length).toBeGreaterThan(0);
      expect(question.feeds).not.toContain('\n');
    }
  });

  it.each([1, 0.5, 0.01, 0.0001])('describes a sound topology at scale %f, as plain data', (scale) => {
    const local = assemblePlan(requirements({ needs: [pattern.need.id] }), catalogue, { scale });
    if (isNoPlan(local)) throw new Error('no plan');
    for (const topology of [local.topology, local.local.topology]) {
      expect(faultsOf(topology)).toEqual([]);
      expect(JSON.parse(JSON.stringify(topology))).toEqual(topology);
    }
    const structure = ({ processSets, jobs }: Topology) => [...processSets, ...jobs].map((each) => each.id);
    expect(structure(local.local.topology)).toEqual(structure(local.topology));
  });

  it('names its processes after its part, and exposes one port', () => {
    const own = made.topology.processSets.filter((set) => set.part === part.name);
    expect(own.every((set) => set.id.startsWith(`${part.name}-`))).toBe(true);
    expect(own.flatMap((set) => set.ports).filter((port) => port.exposed)).toHaveLength(1);
  });

  it('says why, with numbers, and predicts', () => {
    expect(part.decisions.length).toBeGreaterThan(0);
    for (const decision of part.decisions) {
      expect(decision.because).not.toBe('');
      expect(Object.keys(decision.numbers).length, decision.about).toBeGreaterThan(0);
      expect(decision.from.length).toBeGreaterThan(0);
    }
    expect(part.predictions.length).toBeGreaterThan(0);
  });

  it('offers load only for operations with a rate', () => {
    for (const rate of Object.values(part.offeredLoad)) expect(rate).toBeGreaterThan(0);
  });
});
