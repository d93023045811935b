/** plan.json: read back as it was written, refused when it is no plan, and compared without missing anything. */

import { describe, expect, it } from 'vitest';
import type { Json } from '../../../src/pattern.ts';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import { describeChange, diffPlans } from '../../../src/plan/diff.ts';
import { explainPlan } from '../../../src/plan/explain.ts';
import { formatPlan, parsePlan } from '../../../src/plan/file.ts';
import type { Plan } from '../../../src/plan/plan.ts';
import { summarizePlan } from '../../../src/plan/summary.ts';
import { type Random, seededRandom } from '../../../src/random.ts';
import { catalogue } from '../../../templates/index.ts';
import { requirements } from './requirements.ts';

function planFor(needs: readonly string[]): Plan {
  const made = assemblePlan(requirements({ needs }), catalogue);
  if (isNoPlan(made)) throw new Error('no plan');
  return made;
}

const both = planFor(['limit-callers', 'keep-hot-data']);

it('is the same bytes whatever the order of keys', () => {
  const reversed = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(reversed)
      : value !== null && typeof value === 'object'
        ? Object.fromEntries(
            Object.entries(value)
              .reverse()
              .map(([key, item]) => [key, reversed(item)]),
          )
        : value;
  expect(formatPlan(reversed(both) as Plan)).toBe(formatPlan(both));
  expect(parsePlan(formatPlan(both), 'plan.json')).toEqual(JSON.parse(JSON.stringify(both)));
});

describe('what is refused', () => {
  it.each(['', '{', '[]', 'null', '{"schemaVersion": 2}', '{"schemaVersion": 1, "parts": []}'])('%j', (text) => {
    expect(() => parsePlan(text, 'plan.json')).toThrow(/cannot be read/);
  });

  it('says where', () => {
    const broken = {
      ...both,
      topology: { ...both.topology, processSets: [{ ...both.topology.processSets[0], replicas: 0 }] },
    };
    expect(() => parsePlan(JSON.stringify(broken), 'plan.json')).toThrow(/topology\.processSets\.0\.replicas/);
  });
});

/** Every place of a document, as the keys that lead there. */
function placesOf(value: Json, path: readonly string[] = []): readonly (readonly string[])[] {
  if (value === null || typeof value !== 'object') return [path];
  return [path, ...Object.entries(value).flatMap(([key, item]) => placesOf(item as Json, [...path, key]))];
}

function changed(
  document: Json,
  path: readonly string[],
  change: (parent: Record<string, unknown>, key: string) => void,
): Json {
  const copy = structuredClone(document) as Record<string, unknown>;
  let parent = copy;
  for (const key of path.slice(0, -1)) parent = parent[key] as Record<string, unknown>;
  change(parent, path.at(-1) ?? '');
  return copy as Json;
}

const document = JSON.parse(formatPlan(both)) as Json;
const places = placesOf(document).filter((path) => path.length > 0);

describe('a plan.json with one place broken', () => {
  const strange: readonly Json[] = [null, -1, 1.5, 'x', '', true, [], {}, [null], { x: 1 }, '../../etc'];
  const random: Random = seededRandom(5);

  it('is refused as a plan, or can be shown, explained and compared', () => {
    let refused = 0;
    for (let round = 0; round < 1500; round++) {
      const path = places[random.integer(places.length)] as readonly string[];
      const value = strange[random.integer(strange.length)] as Json;
      const broken = changed(document, path, (parent, key) => {
        if (round % 4 === 0 && !Array.isArray(parent)) delete parent[key];
        else parent[key] = value;
      });
      const message = `seed 5, round ${round}: ${path.join('.')} = ${JSON.stringify(value)}`;
      let plan: Plan;
      try {
        plan = parsePlan(JSON.stringify(broken), 'plan.json');
      } catch (error) {
        expect(error, message).toMatchObject({ code: 'plan.unreadable' });
        refused++;
        continue;
      }
      expect(() => [summarizePlan(plan), explainPlan(plan), diffPlans(plan, both)], message).not.toThrow();
    }
    expect(refused).toBeGreaterThan(500);
  });
});

describe('the differences of two plans', () => {
  const paths = (from: Plan, to: Plan) => diffPlans(from, to).map(({ path }) => path);

  it('are none exactly when plan.json is the same', () => {
    expect(diffPlans(both, parsePlan(formatPlan(both), 'plan.json'))).toEqual([]);
    for (const path of places) {
      const value = path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], document);
      const other = changed(document, path, (parent, key) => {
        parent[key] = Array.isArray(value) ? [...value].reverse() : typeof value === 'number' ? value + 1 : 'other';
      });
      const isSame = JSON.stringify(other) === JSON.stringify(document);
      expect(diffPlans(both, other as unknown as Plan).length === 0, path.join('.')).toBe(isSame);
    }
  });

  it('are seen where a list is empty, a key has a dot, or two elements share a name', () => {
    const with1 = (decisions: Plan['decisions']) => ({ ...both, decisions });
    const [decision] = both.decisions as [Plan['decisions'][number]];
    expect(diffPlans(both, with1([]))).not.toEqual([]);
    expect(
      diffPlans(with1([decision, { ...decision, chosen: 'a' }]), with1([decision, { ...decision, chosen: 'b' }])),
    ).toHaveLength(1);
    const twice = (first: string) => with1([{ ...decision, chosen: first }, decision]);
    expect(diffPlans(twice('a'), twice('b'))).toHaveLength(1);
    const slo = (keys: Record<string, readonly string[]>) => ({
      ...both,
      requirements: { ...both.requirements, slo: keys },
    });
    expect(diffPlans(slo({ 'a.b': ['x'] }), slo({ a: ['x'] }))).not.toEqual([]);
  });

  it('are by name, not by place', () => {
    const lines = diffPlans(planFor(['keep-hot-data']), both).map(describeChange);
    expect(lines.some((line) => line.startsWith('+ parts.limiter.'))).toBe(true);
    expect(paths(planFor(['keep-hot-data']), both)).not.toContain('parts.store.name');
  });
});
