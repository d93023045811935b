/** What every pattern of the catalogue keeps, whatever it is. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { defaultHardware } from '../../src/capacity/hardware.ts';
import type { Demand, Job, ProcessSet, Topology, Value } from '../../src/pattern.ts';
import { assemblePlan, isNoPlan } from '../../src/plan/assemble.ts';
import { exactly } from '../../src/requirements/requirements.ts';
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
  if ('reachedPort' in reference)
    return own.ports.some(({ name }) => name === reference.reachedPort) ? null : `port ${reference.reachedPort}`;
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

  const sizeFor = (changes: Parameters<typeof requirements>[0], demands?: readonly Demand[]) => {
    const asked = requirements({ needs: [pattern.need.id], ...changes });
    const own = pattern.userDemand?.(asked);
    const served = demands ?? (own === undefined ? [] : [{ ...own, from: 'user' }]);
    const options = part.options;
    return pattern.size({ requirements: asked, demands: served, options, hardware: defaultHardware, measured: {} });
  };

  it('is sized the same each time, as plain data with finite numbers', () => {
    const sized = sizeFor({});
    expect(sizeFor({})).toEqual(sized);
    expect(JSON.parse(JSON.stringify(sized))).toEqual(sized);
    expect(JSON.parse(JSON.stringify(part.sizing))).toEqual(part.sizing);
  });

  it('keeps within what it predicts, and gives every rejected option a reason and numbers', () => {
    for (const { metric, predicted, bound, margin } of part.predictions) {
      expect(predicted, metric).toBeLessThanOrEqual(bound);
      expect(margin, metric).toBeGreaterThanOrEqual(1);
    }
    expect(part.rejected.length).toBeGreaterThan(0);
    for (const { option, reason, numbers } of part.rejected) {
      expect(reason, option).not.toBe('');
      expect(Object.values(numbers).filter(Number.isFinite).length, option).toBeGreaterThan(0);
    }
  });

  it('excuses itself where it cannot, instead of throwing', () => {
    const sized = sizeFor({ latency: { p99Ms: 0.0001 } });
    expect(sized.kind).toBe('unsized');
    if (sized.kind === 'unsized') expect(sized.rejected[0].relax?.key).toBe('latency.p99Ms');
  });

  it('asks for a capability once, and offers guarantees for each that it provides', () => {
    const sized = sizeFor({});
    if (sized.kind !== 'sized') throw new Error('unsized');
    const asked = sized.demands.map(({ capability }) => capability);
    expect(new Set(asked).size).toBe(asked.length);
    expect(Object.keys(sized.guarantees).sort()).toEqual([...pattern.provides].sort());
    const bound = pattern.connect(context, Object.values(sized.guarantees)[0] as never);
    expect(Object.keys(bound).sort()).toEqual([...pattern.provides].sort());
  });

  it('needs machines that are on offer, one at least for each process that is to be spread', () => {
    const offered = defaultHardware.machines.map(({ name }) => name);
    expect(part.machines.every(({ machine, count }) => offered.includes(machine) && count > 0)).toBe(true);
    const machines = part.machines.reduce((sum, { count }) => sum + count, 0);
    const own = made.topology.processSets.filter((set) => set.part === part.name && set.spread);
    expect(machines).toBeGreaterThanOrEqual(own.reduce((sum, { replicas }) => sum + replicas, 0));
  });

  it('shrinks with the local scale and never grows', () => {
    const large = assemblePlan(
      requirements({
        needs: [pattern.need.id],
        rate: { readPerSecond: exactly(1e5), writePerSecond: exactly(1e4), peakFactor: exactly(2) },
      }),
      catalogue,
    );
    if (isNoPlan(large)) throw new Error('no plan');
    const whole = large.parts.find((each) => each.need === pattern.need.id);
    if (whole === undefined) throw new Error('no part');
    expect(pattern.local(whole.sizing, 1)).toEqual(whole.sizing);
    let [cpus, memoryMiB] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (const scale of [1, 0.5, 0.1, 0.01, 0.001]) {
      const need = pattern.footprint(pattern.local(whole.sizing, scale));
      expect(need.cpus).toBeGreaterThan(0);
      expect(need.cpus).toBeLessThanOrEqual(cpus * 1.0001);
      expect(need.memoryMiB).toBeLessThanOrEqual(memoryMiB * 1.0001);
      [cpus, memoryMiB] = [need.cpus, need.memoryMiB];
    }
  });

  it('has no load where there is none, and then still a plan', () => {
    const none = { readPerSecond: exactly(0), writePerSecond: exactly(0), peakFactor: exactly(1) };
    const idle = assemblePlan(requirements({ needs: [pattern.need.id], rate: none }), catalogue);
    if (isNoPlan(idle)) throw new Error('no plan');
    for (const { offeredLoad } of idle.parts) expect(Object.keys(offeredLoad)).toEqual([]);
  });

  it('offers load only for operations with a rate', () => {
    for (const rate of Object.values(part.offeredLoad)) expect(rate).toBeGreaterThan(0);
  });
});
