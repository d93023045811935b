import { expect, it } from 'vitest';
import { parseDocument } from 'yaml';
import { seededRandom } from '../../../src/random.ts';
import { requirementsOf } from '../../../src/requirements/assemble.ts';
import { formatRequirements } from '../../../src/requirements/format.ts';
import { parseAnswers } from '../../../src/requirements/parse.ts';
import { resolveAnswers } from '../../../src/requirements/resolve.ts';
import { catalogue } from './fake-catalogue.ts';
import { randomRequirements } from './random-requirements.ts';

it('is read back to the same requirements, whatever they are', () => {
  for (let seed = 1; seed <= 2000; seed++) {
    const requirements = randomRequirements(seededRandom(seed));
    const text = formatRequirements(requirements, catalogue);
    const read = requirementsOf(parseAnswers(text, 'dsp.yaml', catalogue), catalogue);
    expect(read, `seed ${seed}\n${text}`).toStrictEqual(requirements);
    expect(formatRequirements(read, catalogue), `seed ${seed}`).toBe(text);
  }
});

it('means the same to a reader of YAML 1.1', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const requirements = randomRequirements(seededRandom(seed));
    const text = formatRequirements(requirements, catalogue);
    const older = parseDocument(text, { version: '1.1' }).toJS() as { name: unknown; options?: unknown };
    expect(older, `seed ${seed}\n${text}`).toEqual(parseDocument(text).toJS());
  }
});

const given = (set: readonly string[]) =>
  resolveAnswers({ set, env: {}, file: new Map(), yes: true, defaultName: 'pier' }, catalogue);

/** The comment above a key. */
function commentAbove(text: string, key: string): string {
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.trim().startsWith(`${key}:`));
  const first = lines.findLastIndex((line, index) => index < at && !line.trim().startsWith('#'));
  return lines
    .slice(first + 1, at)
    .map((line) => line.replace(/^\s*# ?/, ''))
    .join(' ');
}

it('says of every key what it means, its unit, and what it decides', async () => {
  const answers = await given(['needs=cross-water']);
  const text = formatRequirements(requirementsOf(answers, catalogue), catalogue, answers);
  expect(commentAbove(text, 'p99Ms')).toMatch(/^How fast .* \[ms\] It decides the load allowed on each server/);
  expect(commentAbove(text, 'seats')).toMatch(/^How many seats has it\? \[seats\] It decides its length\./);
  expect(commentAbove(text, 'fuel')).toContain('(wind, yes)');
  expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(110);
});

it('says where nobody answered, and only there', async () => {
  const answers = await given(['needs=cross-water', 'latency.p99Ms=7', 'rate.peakFactor=unknown']);
  const text = formatRequirements(requirementsOf(answers, catalogue), catalogue, answers);
  expect(commentAbove(text, 'p99Ms')).not.toContain('Nobody said');
  expect(commentAbove(text, 'peakFactor')).toContain('Nobody said; assumed: daily peaks');
  expect(commentAbove(text, 'seats')).toContain('Nobody said; assumed: a small one.');
  expect(formatRequirements(requirementsOf(answers, catalogue), catalogue)).not.toContain('Nobody said');
});

it('marks what nothing reads', async () => {
  const answers = await given(['needs=cross-water']);
  const text = formatRequirements(requirementsOf(answers, catalogue), catalogue, answers);
  expect(text).toMatch(/# Nothing that the system does depends on these yet\.\ndata:/);
  expect(text).not.toMatch(/depends on these yet\.\nrate:/);
  expect(text).not.toContain('warehouse:');
});
