import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DspError } from '../../../src/errors.ts';
import { type Answers, requirementsOf } from '../../../src/requirements/assemble.ts';
import { type InterviewOptions, interview, type Prompt } from '../../../src/requirements/interview.ts';
import { forgetPartial, loadPartial, partialPath, savePartial } from '../../../src/requirements/partial.ts';
import { catalogue as real } from '../../../templates/index.ts';
import { catalogue } from './fake-catalogue.ts';

/** Answers by key, Enter for the rest; what was put is in `asked`. */
function person(says: Readonly<Record<string, string>>, leavesAt = Number.POSITIVE_INFINITY) {
  const asked: Prompt[] = [];
  const ask = async (prompt: Prompt) => {
    if (asked.length >= leavesAt) throw new DspError('interrupted', {});
    asked.push(prompt);
    const text = says[prompt.key] ?? prompt.default;
    const problem = await prompt.check(text);
    if (problem !== null) throw new Error(`${prompt.key}: ${problem}`);
    return text;
  };
  return { asked, ask, keys: () => asked.map(({ key }) => key) };
}

const run = (who: ReturnType<typeof person>, given: Answers = new Map(), more: Partial<InterviewOptions> = {}) =>
  interview(given, { catalogue, ask: who.ask, onAnswer: async () => {}, defaultName: 'pier', ...more });

describe('the questions', () => {
  it('begin with what the system does, in the user’s words', async () => {
    const who = person({ needs: 'cross-water' });
    await run(who);
    expect(who.asked[0]).toMatchObject({
      kind: 'many',
      choices: [
        { value: 'cross-water', words: 'cross the water' },
        { value: 'keep-things', words: 'keep things' },
      ],
    });
    expect(await who.asked[0]?.check('')).not.toBeNull();
  });

  it('are those that the chosen needs read, then their own', async () => {
    const who = person({ needs: 'cross-water' });
    await run(who);
    expect(who.keys()).toEqual([
      'needs',
      'name',
      'rate.readPerSecond',
      'rate.writePerSecond',
      'rate.peakFactor',
      'latency.p99Ms',
      'availability.target',
      'availability.recoveryMs',
      'cost.usdPerMonth',
      'options.cross-water.seats',
      'options.cross-water.fuel',
      'options.cross-water.returns',
    ]);
  });

  it('skip what an answer made idle', async () => {
    const bounded = person({ needs: 'keep-things', 'consistency.level': 'bounded' });
    const strict = person({ needs: 'keep-things', 'consistency.level': 'linearizable' });
    await run(bounded);
    await run(strict);
    expect(bounded.keys()).toContain('consistency.stalenessMs');
    expect(strict.keys()).toEqual(bounded.keys().filter((key) => key !== 'consistency.stalenessMs'));
  });

  it('are about a dozen for any one need of the catalogue', async () => {
    for (const { need } of real) {
      const who = person({ needs: need.id });
      await run(who, new Map([['name', { value: 'pier', origin: 'prior' }]]), { catalogue: real });
      expect(who.asked.length, need.id).toBeLessThanOrEqual(16);
    }
  });

  it('say in one line what they decide, and what "don’t know" takes', async () => {
    const who = person({ needs: 'cross-water,keep-things' });
    await run(who);
    for (const prompt of who.asked) {
      expect(prompt.feeds, prompt.key).toMatch(/^.{5,120}$/);
      if (prompt.key === 'needs' || prompt.key === 'name') continue;
      expect(prompt.default, prompt.key).toBe('unknown');
      const said = prompt.kind === 'text' ? prompt.hints.at(-1) : prompt.choices.at(-1)?.words;
      expect(said, prompt.key).toMatch(prompt.kind === 'text' ? /^unknown takes .+ \(.+\)/ : /^don’t know: .+ \(.+\)/);
    }
    expect(who.asked.find(({ key }) => key === 'rate.peakFactor')?.hints.at(-1)).toContain(
      'unknown takes 2 to 5 (daily peaks',
    );
  });

  it('are not put again when they are answered', async () => {
    const who = person({ needs: 'cross-water' });
    const given: Answers = new Map([['latency.p99Ms', { value: 5, origin: 'flag' }]]);
    const answers = await run(who, given);
    expect(who.keys()).not.toContain('latency.p99Ms');
    expect(answers.get('latency.p99Ms')?.origin).toBe('flag');
  });
});

describe('the answers', () => {
  it('become requirements, and keep where they come from', async () => {
    const who = person({
      needs: 'cross-water',
      name: 'quay',
      'rate.readPerSecond': '10..1000',
      'options.cross-water.returns': 'no',
    });
    const answers = await run(who);
    expect(answers.get('rate.readPerSecond')).toEqual({
      value: { low: 10, mid: 100, high: 1000 },
      origin: 'interview',
    });
    expect(answers.get('rate.peakFactor')).toEqual({ value: { low: 2, mid: 3, high: 5 }, origin: 'prior' });
    expect(requirementsOf(answers, catalogue)).toMatchObject({
      name: 'quay',
      options: { 'cross-water': { returns: false } },
    });
  });

  it('are refused at their question when they are wrong, or contradict one before', async () => {
    const who = person({ needs: 'keep-things', 'rate.readPerSecond': '0', 'data.payloadBytes': '5000' });
    await run(who, new Map(), { nameTaken: async (name) => (name === 'full' ? 'it is not empty' : null) });
    const check = (key: string, text: string) => who.asked.find((prompt) => prompt.key === key)?.check(text);
    expect(await check('rate.peakFactor', '0.5')).toBe('this is 0.5; it can be from 1 to 1000 ×');
    expect(await check('rate.writePerSecond', '0')).toBe(
      'rate is 0 reads and 0 writes a second: there is nothing to do',
    );
    expect(await check('data.totalMiB', '0.001')).toBe('data.payloadBytes is 5000, more than all the data (0.001 MiB)');
    expect(await check('name', 'A')).toMatch(/^this is "A"/);
    expect(await check('name', 'full')).toBe('it is not empty');
    expect(await check('name', 'free')).toBeNull();
  });

  it('go no further when the asker lets a wrong one through', async () => {
    const ask = async () => 'fly';
    await expect(run({ ...person({}), ask })).rejects.toThrow(RangeError);
  });
});

describe('answers of an interview that was left', () => {
  const dir = mkdtempSync(join(tmpdir(), 'dsp-partial-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('are kept after each one, and the next interview asks for the rest only', async () => {
    const path = partialPath(join(dir, 'pier'), dir);
    const says = { needs: 'cross-water', 'rate.readPerSecond': '1..5' };
    const first = person(says, 5);
    const onAnswer = (answers: Answers) => savePartial(path, answers);
    await expect(run(first, new Map(), { onAnswer })).rejects.toMatchObject({ code: 'interrupted', exitCode: 130 });
    expect(readdirSync(dir)).toEqual(['.dsp-answers-pier.yaml']);

    const resumed = await loadPartial(path, catalogue);
    const second = person(says);
    const answers = await run(second, resumed ?? new Map());
    expect([...first.keys(), ...second.keys()]).toEqual([...new Set([...first.keys(), ...second.keys()])]);
    expect(second.keys()[0]).toBe('latency.p99Ms');
    const whole = await run(person(says));
    expect(requirementsOf(answers, catalogue)).toEqual(requirementsOf(whole, catalogue));
    expect(answers.get('rate.peakFactor')?.origin).toBe('prior');

    await forgetPartial(path);
    await forgetPartial(path);
    expect(readdirSync(dir)).toEqual([]);
    expect(await loadPartial(path, catalogue)).toBeNull();
  });

  it('hold every kind of answer', async () => {
    const path = join(dir, 'all.yaml');
    const answers = await run(person({ needs: 'cross-water,keep-things', 'options.cross-water.fuel': 'yes' }));
    const withSlo: Answers = new Map([...answers, ['slo', { value: { http_reqs: ['rate>1'] }, origin: 'file' }]]);
    await savePartial(path, withSlo);
    const loaded = (await loadPartial(path, catalogue)) ?? new Map();
    expect(requirementsOf(loaded, catalogue)).toEqual(requirementsOf(withSlo, catalogue));
  });

  it('are none when the file holds none, or makes no sense', async () => {
    const path = join(dir, 'odd.yaml');
    for (const text of ['', 'name:\n', 'colour: blue', '{{{']) {
      writeFileSync(path, text);
      expect(await loadPartial(path, catalogue), text).toBeNull();
    }
  });

  it('are kept in the nearest folder above that there is', () => {
    mkdirSync(join(dir, 'there'));
    expect(partialPath(join(dir, 'there'), dir)).toBe(join(dir, '.dsp-answers-there.yaml'));
    expect(partialPath(join(dir, 'a', 'b'), dir)).toBe(join(dir, '.dsp-answers-a-b.yaml'));
    expect(partialPath(null, dir)).toBe(join(dir, '.dsp-answers.yaml'));
    expect(partialPath('/', dir)).toBe('/.dsp-answers-.yaml');
  });
});
