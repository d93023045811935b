/** What every pattern of the catalogue keeps, whatever it is. */

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { defaultHardware } from '../../src/capacity/hardware.ts';
import type { Demand, Job, ProcessSet, Topology, Value } from '../../src/pattern.ts';
import { assemblePlan, isNoPlan } from '../../src/plan/assemble.ts';
import { seededRandom } from '../../src/random.ts';
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
    for (const reference of everyValue(each).flatMap(references)) {
      const problem = brokenReference(each, reference, topology);
      if (problem !== null) faults.push(`${each.id}: ${problem}`);
    }
    faults.push(...secretsOnShow(each));
  }
  return [...faults, ...cycles(all)];
}

function everyValue(process: ProcessSet | Job): readonly Value[] {
  const { args, env, secretFiles = [], access = {} } = process as ProcessSet;
  return [...args, ...Object.values(env), ...secretFiles.map(({ text }) => text), ...Object.values(access)];
}

/** Arguments can be read by everybody on the machine, and a secret in the midst of a variable cannot be mounted. */
function secretsOnShow({ id, args, env }: ProcessSet | Job): readonly string[] {
  const isSecret = (value: Exclude<Value, string>) => 'secret' in value;
  const joined = Object.values(env).filter((value) => typeof value !== 'string' && 'concat' in value);
  return [...args, ...joined].flatMap(references).some(isSecret) ? [`${id} shows a secret`] : [];
}

function brokenReference(from: ProcessSet | Job, reference: Exclude<Value, string>, topology: Topology): string | null {
  if ('addressesOf' in reference) {
    const set = topology.processSets.find(({ id }) => id === reference.addressesOf);
    return set?.ports.some(({ name }) => name === reference.port) ? null : `addresses of ${reference.addressesOf}`;
  }
  if ('secret' in reference) {
    const keys = { password: ['password', 'sha256'], certificate: ['ca.crt', 'tls.crt', 'tls.key'] };
    const secret = topology.secrets?.find(({ name }) => name === reference.secret);
    return secret && keys[secret.content.kind].includes(reference.key) ? null : `secret ${reference.secret}`;
  }
  if ('sidecar' in reference) {
    const sidecar = (from as ProcessSet).sidecars?.find(({ name }) => name === reference.sidecar);
    return sidecar?.ports.some(({ name }) => name === reference.port) ? null : `sidecar ${reference.sidecar}`;
  }
  const own: Pick<ProcessSet, 'ports' | 'volumes' | 'files' | 'secretFiles'> =
    'ports' in from ? from : { ports: [], volumes: [], files: [] };
  if ('reachedPort' in reference)
    return own.ports.some(({ name }) => name === reference.reachedPort) ? null : `port ${reference.reachedPort}`;
  if ('ownPort' in reference)
    return own.ports.some(({ name }) => name === reference.ownPort) ? null : `port ${reference.ownPort}`;
  if ('volume' in reference)
    return own.volumes.some(({ name }) => name === reference.volume) ? null : `volume ${reference.volume}`;
  if ('file' in reference)
    return [...own.files, ...(own.secretFiles ?? [])].some(({ name }) => name === reference.file)
      ? null
      : `file ${reference.file}`;
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
    const { secrets = [] } = made.topology;
    expect(faultsOf({ processSets: [broken], jobs: [], secrets })).toHaveLength(3);
  });

  it('notice a secret that is not there, or that everybody can see', () => {
    const made = assemblePlan(requirements(), catalogue);
    if (isNoPlan(made)) throw new Error('no plan');
    const [first] = made.topology.processSets as [ProcessSet];
    const { secrets = [] } = made.topology;
    const password: Value = { secret: secrets[0]?.name ?? '', key: 'password' };
    const faults = (change: Partial<ProcessSet>) =>
      faultsOf({ processSets: [{ ...first, ...change }], jobs: [], secrets });
    expect(faults({ env: { X: password } })).toEqual([]);
    expect(faults({ args: [...first.args, { concat: ['--pass=', password] }] })).toHaveLength(1);
    expect(faults({ env: { X: { concat: ['user:', password] } } })).toHaveLength(1);
    expect(faults({ env: { X: { secret: 'nobody-knows', key: 'password' } } })).toHaveLength(1);
    expect(faults({ env: { X: { ...password, key: 'tls.key' } } })).toHaveLength(1);
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

  describe('over rates of six orders of magnitude', () => {
    const seed = 77;
    const random = seededRandom(seed);
    const drawn = Array.from({ length: 40 }, () => {
      const [read, write] = [10 ** (6 * random.next()), 10 ** (5 * random.next())];
      const asked = requirements({
        needs: [pattern.need.id],
        latency: { p99Ms: 20 + random.integer(200) },
        data: { payloadBytes: exactly(64 + random.integer(1000)), totalMiB: exactly(10 ** (1 + 4 * random.next())) },
        loss: { rpoMs: [0, 1000, 10_000, 4_000_000][random.integer(4)] as number },
      });
      const at = (factor: number) => ({
        ...asked,
        rate: {
          readPerSecond: exactly(read * factor),
          writePerSecond: exactly(write * factor),
          peakFactor: exactly(1),
        },
      });
      return { asked: at(1), more: at(1 + 9 * random.next()) };
    });
    const planned = drawn.map(({ asked, more }) => ({
      asked,
      plan: assemblePlan(asked, catalogue),
      again: assemblePlan(asked, catalogue),
      harder: assemblePlan(more, catalogue),
    }));
    const found = planned.flatMap(({ asked, plan, harder }) => (isNoPlan(plan) ? [] : [{ asked, plan, harder }]));
    const told = (asked: object) => `seed ${seed}: ${JSON.stringify(asked)}`;

    it('is planned the same each time, and costs something', () => {
      expect(found.length).toBeGreaterThan(20);
      for (const { plan, again, asked } of planned) expect(again, told(asked)).toEqual(plan);
      for (const { plan, asked } of found) expect(plan.cost.usdPerMonth, told(asked)).toBeGreaterThan(0);
    });

    it('costs no less for a higher rate, and is not planned for more where it cannot be for less', () => {
      const usd = (of: (typeof planned)[number]['plan']) =>
        isNoPlan(of) ? Number.POSITIVE_INFINITY : of.cost.usdPerMonth;
      for (const { plan, harder, asked } of planned) expect(usd(harder), told(asked)).toBeGreaterThanOrEqual(usd(plan));
    });

    it('keeps every bound that it predicts, and offers the rate that was asked', () => {
      for (const { plan, asked } of found) {
        for (const { metric, margin } of plan.parts.flatMap(({ predictions }) => predictions)) {
          expect(margin, `${metric}, ${told(asked)}`).toBeGreaterThanOrEqual(1);
        }
        const own = plan.parts.find(({ need }) => need === pattern.need.id);
        const offered = Object.values(own?.offeredLoad ?? {}).reduce((sum, rate) => sum + rate, 0);
        const { readPerSecond, writePerSecond } = asked.rate;
        expect(offered / (readPerSecond.high + writePerSecond.high), told(asked)).toBeCloseTo(1, 6);
      }
    });
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
    const bound = pattern.connect(context, Object.values(sized.guarantees)[0] as never, 'another');
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
