/** What every pattern's workload and invariants must be, whatever they are about. */

import { describe, expect, it } from 'vitest';
import type { Workload, WorkloadContext, WorkloadRequest } from '../../src/bench/generator/workload.ts';
import type { CheckInput, Invariants } from '../../src/checkers/invariant.ts';
import type { Json, Pattern } from '../../src/pattern.ts';
import { assemblePlan, isNoPlan } from '../../src/plan/assemble.ts';
import type { Part } from '../../src/plan/plan.ts';
import { seededRandom } from '../../src/random.ts';
import type { Requirements } from '../../src/requirements/requirements.ts';
import { catalogue } from '../../templates/index.ts';
import { requirementsOf } from '../unit/templates/requirements.ts';

/** What somebody who asks for this pattern and knows nothing more gets. */
function requirementsFor(pattern: Pattern): Requirements {
  const answers: Record<string, Json> = {};
  for (const { key, prior } of pattern.questions) answers[key] = prior;
  return requirementsOf({
    needs: [pattern.need.id],
    options: { [pattern.need.id]: answers },
    // Wide enough for any pattern: what is looked at here is not the plan.
    latency: { p99Ms: 100 },
    availability: { target: 0.999, recoveryMs: 60_000 },
    cost: { usdPerMonth: 1e6 },
  });
}

function partOf(pattern: Pattern, requirements: Requirements): Part {
  const plan = assemblePlan(requirements, catalogue, { scale: 0.1 });
  if (isNoPlan(plan)) throw new Error(`no plan for ${pattern.id}: ${JSON.stringify(plan.rejected)}`);
  const part = plan.parts.find((found) => found.pattern === pattern.id);
  if (part === undefined) throw new Error(`the plan has no ${pattern.id}`);
  return part;
}

async function load<T>(pattern: Pattern, module: string): Promise<T> {
  const { default: loaded } = await import(`../../templates/${pattern.id}/${module}.ts`);
  return loaded as T;
}

const cases = catalogue.map((pattern) => [pattern.id, pattern] as const);

describe.each(cases)('the workload of %s', (_, pattern) => {
  const requirements = requirementsFor(pattern);
  const part = partOf(pattern, requirements);
  const operations = Object.keys(part.offeredLoad);
  const contextOf = (over: Partial<WorkloadContext> = {}): WorkloadContext => ({
    part: part.name,
    sizing: part.localSizing,
    options: part.options,
    requirements,
    offeredLoad: part.offeredLoad,
    seed: 42,
    workerIndex: 0,
    workerCount: 2,
    ...over,
  });
  const some = async (context: WorkloadContext, count = 600): Promise<readonly WorkloadRequest[]> => {
    const run = (await load<Workload>(pattern, pattern.workloadModule)).create(context);
    const random = seededRandom(context.seed);
    return Array.from({ length: count }, (_, i) => run.next(operations[i % operations.length]!, random));
  };

  it('has a rate for each of its operations', () => {
    expect(operations.length).toBeGreaterThan(0);
    for (const rate of Object.values(part.offeredLoad)) expect(rate).toBeGreaterThan(0);
  });

  it('makes requests that HTTP/1.1 can carry', async () => {
    const workload = await load<Workload>(pattern, pattern.workloadModule);
    const run = await some(contextOf());
    const keys = [...new Set(run.map(({ key }) => key))];
    const prepared = workload.prepare?.(contextOf()) ?? [];
    for (const request of [...prepared, ...run, ...workload.finalReads(contextOf(), keys)]) {
      expect(['GET', 'POST', 'PUT', 'DELETE']).toContain(request.method);
      expect(request.path).toMatch(/^\/[\x21-\x7e]*$/);
      expect(operations).toContain(request.operation);
      expect(request.key).not.toBe('');
      expect(Number.isFinite(request.value)).toBe(true);
      expect(request.body === undefined).toBe(request.method === 'GET' || request.method === 'DELETE');
      for (const [name, value] of Object.entries(request.headers ?? {})) {
        expect(name).toMatch(/^[a-z][a-z0-9-]*$/);
        expect(value).toMatch(/^[\x20-\x7e]*$/);
      }
      if (request.body !== undefined) expect(request.headers).toHaveProperty('content-type');
    }
  });

  it('makes the operation that it is asked for', async () => {
    const run = await some(contextOf());
    run.forEach(({ operation }, i) => {
      expect(operation).toBe(operations[i % operations.length]);
    });
  });

  it('repeats itself for a seed, and only for that', async () => {
    expect(await some(contextOf())).toEqual(await some(contextOf()));
    expect(await some(contextOf({ seed: 43 }))).not.toEqual(await some(contextOf()));
  });

  it('takes no failure for a success', async () => {
    const run = (await load<Workload>(pattern, pattern.workloadModule)).create(contextOf());
    const random = seededRandom(1);
    for (const operation of operations) {
      for (const response of [null, ...[500, 502, 503].map((status) => ({ status, headers: {}, body: '' }))]) {
        const judgement = run.judge(run.next(operation, random), response);
        expect(judgement.correct).toBe(false);
        expect(judgement.outcome).not.toBe('ok');
      }
      // Whoever is answered with a text must look at it.
      const request = run.next(operation, random);
      const nonsense = { status: 200, headers: {}, body: '<html>' };
      if (request.method !== 'PUT') expect(run.judge(request, nonsense).correct).toBe(false);
    }
  });

  it('reads back at the end, keys that it was given and each once', async () => {
    const workload = await load<Workload>(pattern, pattern.workloadModule);
    const keys = [...new Set((await some(contextOf())).map(({ key }) => key))];
    const asked = workload.finalReads(contextOf(), keys).map(({ key }) => key);
    expect(asked.length).toBeGreaterThan(0);
    expect(new Set(asked).size).toBe(asked.length);
    expect(asked.filter((key) => !keys.includes(key))).toEqual([]);
    expect(workload.finalReads(contextOf(), [])).toEqual([]);
  });
});

describe.each(cases)('the invariants of %s', (_, pattern) => {
  const requirements = requirementsFor(pattern);
  const part = partOf(pattern, requirements);
  const empty: CheckInput = {
    part: part.name,
    sizing: part.localSizing,
    options: part.options,
    requirements,
    history: [],
    faults: [],
    clockSteps: [],
    probe: null,
  };

  it('say nothing of an empty history', async () => {
    const results = (await load<Invariants>(pattern, pattern.invariantsModule)).check(empty);
    expect(results.length).toBeGreaterThan(0);
    expect(results.filter(({ verdict }) => verdict !== 'unexercised')).toEqual([]);
    expect(results.filter(({ checked, violationCount }) => checked > 0 || violationCount > 0)).toEqual([]);
  });

  it('have names of their own and say what they mean', async () => {
    const results = (await load<Invariants>(pattern, pattern.invariantsModule)).check(empty);
    expect(new Set(results.map(({ id }) => id)).size).toBe(results.length);
    for (const { id, title, note } of results) {
      expect(id).toMatch(/^[a-z][a-z0-9-]*$/);
      expect(title).not.toBe('');
      expect(note).not.toBe('');
    }
  });

  it('name whom a fault can hit, and find nobody where nothing runs', async () => {
    const { faultTargets } = await load<Invariants>(pattern, pattern.invariantsModule);
    expect(faultTargets.length).toBeGreaterThan(0);
    expect(new Set(faultTargets.map(({ role }) => role)).size).toBe(faultTargets.length);
    for (const target of faultTargets) {
      expect(target.role).toMatch(/^[a-z][a-z0-9-]*$/);
      expect(await target.find([])).toEqual([]);
    }
  });
});
