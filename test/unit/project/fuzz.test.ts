/** Thousands of hostile answers: each is refused, or changes literals only. */

import { describe, expect, it } from 'vitest';
import { DspError } from '../../../src/errors.ts';
import type { Json } from '../../../src/pattern.ts';
import { assemblePlan, isNoPlan } from '../../../src/plan/assemble.ts';
import type { Project } from '../../../src/project/project.ts';
import { renderProject } from '../../../src/project/render.ts';
import { type Random, seededRandom } from '../../../src/random.ts';
import { requirementsOf } from '../../../src/requirements/assemble.ts';
import { formatRequirements } from '../../../src/requirements/format.ts';
import { parseAnswers } from '../../../src/requirements/parse.ts';
import { resolveAnswers } from '../../../src/requirements/resolve.ts';
import { catalogue } from '../../../templates/index.ts';
import { fakeCatalogue, planOf, requirements } from './plan-fixture.ts';
import { planScenario } from './scenarios.ts';
import { hostile, shapeOfFile } from './shapes.ts';

const seed = 4;
const rounds = 2000;

/** Path → shape of every file that answers reach. */
function shapeOf(project: Project): Record<string, string> {
  return Object.fromEntries(
    project.files.flatMap(({ path, content }) => {
      const shape = shapeOfFile(path, content);
      return shape === null ? [] : [[path, shape]];
    }),
  );
}

function hostilePlan(random: Random) {
  const label = random.integer(3) === 0 ? hostile(random) : 'plain';
  const name = random.integer(20) === 0 ? hostile(random) : 'shop';
  const part = random.integer(20) === 0 ? hostile(random) : 'fake';
  const limits = [{ name: hostile(random), limit: random.integer(10) === 0 ? Number.NaN : random.integer(1e6) }];
  const options: Record<string, Json> = { title: hostile(random), label, limits };
  if (random.integer(4) === 0) {
    // Whole numbers come first in an object, whatever their place.
    const key = hostile(random).replace(/^\d+$/, 'n$&');
    Object.defineProperty(options, key, { value: hostile(random), enumerable: true });
  }
  return planOf({ ...requirements, name, options: { 'limit-callers': options } }, part);
}

it('refuses a hostile answer, or changes literals only', { timeout: 120_000 }, async () => {
  const random = seededRandom(seed);
  const expected = new Map<number, Record<string, string>>();
  const optionCount = (plan: ReturnType<typeof planOf>) =>
    Object.keys(plan.requirements.options['limit-callers'] ?? {}).length;
  const calm = async (count: number) => {
    const options: Record<string, Json> = { title: 'x', label: 'x', limits: [{ name: 'x', limit: 1 }] };
    for (let index = 3; index < count; index++) options[`extra${index}`] = 'x';
    return shapeOf(
      await renderProject(planOf({ ...requirements, options: { 'limit-callers': options } }), fakeCatalogue),
    );
  };
  const outcomes = { refused: 0, rendered: 0 };
  for (let round = 0; round < rounds; round++) {
    const plan = hostilePlan(random);
    const project = await renderProject(plan, fakeCatalogue).catch((error: unknown) => {
      if (error instanceof DspError && error.code === 'project.unsafe-value') return null;
      throw new Error(`seed ${seed}, round ${round}`, { cause: error });
    });
    outcomes[project === null ? 'refused' : 'rendered']++;
    if (project === null) continue;
    const count = optionCount(plan);
    const wanted = expected.get(count) ?? (await calm(count));
    expected.set(count, wanted);
    expect(shapeOf(project), `seed ${seed}, round ${round}: ${JSON.stringify(plan.requirements.options)}`).toEqual(
      wanted,
    );
  }
  expect(outcomes.refused).toBeGreaterThan(rounds / 20);
  expect(outcomes.rendered).toBeGreaterThan(rounds / 20);
});

/** `text` with the value of one of its lines replaced, added to, or a line put before it. */
function spoilt(text: string, random: Random): string {
  const lines = text.split('\n');
  const places = lines.flatMap((line, index) => (/^\s*[\w-]+: /.test(line) ? [index] : []));
  const at = places[random.integer(places.length)] ?? 0;
  const line = lines[at] ?? '';
  const key = line.slice(0, line.indexOf(':'));
  const value = random.integer(3) === 0 ? hostile(random) : JSON.stringify(hostile(random));
  const number = ['-1', '1e30', '.nan', '.inf', '{low: 5, mid: 2, high: 1}', '0x10', '1e-320', '""'][random.integer(8)];
  const choice = random.integer(4);
  const spoiltLine = [
    `${key}: ${value}`,
    `${line}${hostile(random)}`,
    `${key}: ${number}`,
    `${hostile(random)}: 1\n${line}`,
  ];
  return lines.map((other, index) => (index === at ? spoiltLine[choice] : other)).join('\n');
}

describe('a hostile dsp.yaml', () => {
  it('is refused with what is wrong, or planned and rendered into files that their readers take', {
    timeout: 120_000,
  }, async () => {
    const random = seededRandom(seed).fork('dsp.yaml');
    const calm = formatRequirements((await planScenario('quickstart')).requirements, catalogue);
    const outcomes = { refused: 0, noPlan: 0, rendered: 0 };
    const run = async (text: string): Promise<keyof typeof outcomes> => {
      const file = parseAnswers(text, 'dsp.yaml', catalogue);
      const answers = await resolveAnswers({ set: [], env: {}, file, yes: false }, catalogue);
      const plan = assemblePlan(requirementsOf(answers, catalogue), catalogue);
      if (isNoPlan(plan)) return 'noPlan';
      shapeOf(await renderProject(plan, catalogue));
      return 'rendered';
    };
    for (let round = 0; round < rounds; round++) {
      const text = spoilt(calm, random);
      const outcome = await run(text).catch((error: unknown) => {
        if (error instanceof DspError && error.exitCode === 2) return 'refused' as const;
        throw new Error(`seed ${seed}, round ${round}:\n${text}`, { cause: error });
      });
      outcomes[outcome]++;
    }
    expect(outcomes.refused).toBeGreaterThan(rounds / 4);
    expect(outcomes.rendered).toBeGreaterThan(rounds / 100);
  });
});
