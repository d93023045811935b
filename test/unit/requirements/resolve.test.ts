import { describe, expect, it } from 'vitest';
import { type Answers, allFields, requirementsOf } from '../../../src/requirements/assemble.ts';
import { parseAnswers } from '../../../src/requirements/parse.ts';
import { environmentName, resolveAnswers, type Sources } from '../../../src/requirements/resolve.ts';
import { catalogue } from './fake-catalogue.ts';

const resolve = (sources: Partial<Sources>) =>
  resolveAnswers({ set: [], env: {}, file: new Map(), yes: false, ...sources }, catalogue);
const file = (text: string): Answers => parseAnswers(text, 'dsp.yaml', catalogue);
const problemsOf = (sources: Partial<Sources>) =>
  resolve(sources).then(
    () => [],
    (error: { params: { problems: readonly { where: string; key: string; problem: string }[] } }) =>
      error.params.problems.map(({ where, key, problem }) => `${where}: ${key} ${problem}`),
  );

describe('precedence', () => {
  const all: Sources = {
    set: ['latency.p99Ms=1'],
    env: { DSP_LATENCY__P99MS: '2' },
    file: file('latency: {p99Ms: 3}'),
    yes: true,
    defaultName: 'pier',
  };
  it.each([
    ['a flag', all, 1, 'flag'],
    ['the environment, without a flag', { ...all, set: [] }, 2, 'environment'],
    ['the file, without the environment', { ...all, set: [], env: {} }, 3, 'file'],
    ['the prior, without anything', { ...all, set: [], env: {}, file: new Map() }, 100, 'prior'],
  ] as const)('%s', async (_, sources, value, origin) => {
    expect((await resolve(sources)).get('latency.p99Ms')).toEqual({ value, origin });
  });

  it('asks only for what flags, environment and file leave open, and only without --yes', async () => {
    const seen: (readonly string[])[] = [];
    const ask = async (answers: Answers) => {
      seen.push([...answers.keys()].sort());
      return new Map([...answers, ['cost.usdPerMonth', { value: 5, origin: 'interview' as const }]]);
    };
    const answers = await resolve({ ...all, yes: false, ask });
    expect(seen).toEqual([['latency.p99Ms']]);
    expect(answers.get('latency.p99Ms')).toEqual({ value: 1, origin: 'flag' });
    expect(answers.get('cost.usdPerMonth')?.origin).toBe('interview');
    await resolve({ ...all, ask });
    expect(seen).toHaveLength(1);
  });

  it('takes the last of two flags, and does not ask when all is given', async () => {
    const set = ['name=quay', 'name=pier', 'needs=cross-water'];
    const rest =
      'rate: {readPerSecond: 5, writePerSecond: 5, peakFactor: 2}\nlatency: {p99Ms: 9}\navailability: {target: 0.9, recoveryMs: 500}\ncost: {usdPerMonth: 10}\noptions: {cross-water: {seats: 3, fuel: wind, returns: false}}\n';
    const answers = await resolve({ set, file: file(rest), ask: () => Promise.reject(new Error('asked')) });
    expect(answers.get('name')?.value).toBe('pier');
    expect(requirementsOf(answers, catalogue).needs).toEqual(['cross-water']);
  });
});

describe('as text', () => {
  it.each([
    ['rate.readPerSecond', '100..300', { low: 100, mid: 173, high: 300 }],
    ['rate.readPerSecond', '0..10', { low: 0, mid: 5, high: 10 }],
    ['rate.readPerSecond', '1.001..1.002', { low: 1.001, mid: 1.001, high: 1.002 }],
    ['rate.readPerSecond', '1..2..9', { low: 1, mid: 2, high: 9 }],
    ['rate.readPerSecond', ' 1_000 ', { low: 1000, mid: 1000, high: 1000 }],
    ['rate.readPerSecond', '-0', { low: 0, mid: 0, high: 0 }],
    ['availability.target', '.999', 0.999],
    ['cost.usdPerMonth', '1e3', 1000],
    ['options.cross-water.returns', 'No', false],
    ['options.cross-water.fuel', 'yes', 'yes'],
    ['needs', 'cross-water, keep-things', ['cross-water', 'keep-things']],
  ])('%s=%s', async (key, text, value) => {
    const answers = await resolve({ set: [`${key}=${text}`], yes: true, defaultName: 'pier' });
    expect(answers.get(key)).toStrictEqual({ value, origin: 'flag' });
  });

  it('unknown takes the prior, over the file too', async () => {
    const answers = await resolve({
      set: ['latency.p99Ms=unknown'],
      file: file('latency: {p99Ms: 3}'),
      yes: true,
      defaultName: 'pier',
    });
    expect(answers.get('latency.p99Ms')).toEqual({ value: 100, origin: 'prior' });
  });

  it.each([
    ['latency.p99=5', '--set: latency.p99 is no key of dsp.yaml; did you mean latency.p99Ms?'],
    ['__proto__=5', '--set: __proto__ is no key of dsp.yaml'],
    ['constructor.prototype=5', '--set: constructor.prototype is no key of dsp.yaml'],
    ['latency=5', '--set: latency is no key of dsp.yaml'],
    ['slo=x', '--set: slo is given in dsp.yaml only'],
    ['schemaVersion=1', '--set: schemaVersion is no key of dsp.yaml'],
    ['latency.p99Ms', '--set: latency.p99Ms is no key=value'],
    ['=5', '--set: =5 is no key=value'],
    ['latency.p99Ms=', '--set: latency.p99Ms is ""; it takes a number of ms'],
    ['latency.p99Ms=5ms', '--set: latency.p99Ms is "5ms"; it takes a number of ms'],
    ['latency.p99Ms=1..2', '--set: latency.p99Ms is "1..2"; it takes a number of ms'],
    ['latency.p99Ms=0x10', '--set: latency.p99Ms is "0x10"; it takes a number of ms'],
    ['latency.p99Ms=NaN', '--set: latency.p99Ms is "NaN"; it takes a number of ms'],
    ['latency.p99Ms=Infinity', '--set: latency.p99Ms is "Infinity"; it takes a number of ms'],
    ['latency.p99Ms=1e30', '--set: latency.p99Ms is 1e+30; it can be from 0.1 to 600000 ms'],
    ['rate.peakFactor=9..2', '--set: rate.peakFactor has low 9 above high 2'],
    ['rate.peakFactor=1..9..2', '--set: rate.peakFactor has mid 9 outside of 1 to 2'],
    ['rate.peakFactor=1..', '--set: rate.peakFactor is "1.."; it takes a number of ×, low..high or low..mid..high'],
    [
      'rate.peakFactor=1..2..3..4',
      '--set: rate.peakFactor is "1..2..3..4"; it takes a number of ×, low..high or low..mid..high',
    ],
    ['options.cross-water.returns=1', '--set: options.cross-water.returns is "1"; it can be yes or no'],
    ['needs=fly', '--set: needs has "fly"; it can have cross-water, keep-things'],
    ['needs=', '--set: needs has ""; it can have cross-water, keep-things'],
    ['name=Pier', '--set: name is "Pier"; it takes up to 40 of a-z, 0-9 and -, a letter first'],
  ])('%s is refused', async (setting, expected) => {
    const [found] = await problemsOf({ set: [setting], yes: true, defaultName: 'pier' });
    expect(found).toBe(expected);
  });

  it('reports every wrong flag and variable at once', async () => {
    const env = { DSP_NAME: 'A B', DSP_COST__USDPERMONTH: 'much' };
    expect(await problemsOf({ set: ['x', 'y=1'], env })).toHaveLength(4);
  });
});

describe('the environment', () => {
  it('names every key differently', () => {
    const keys = ['name', 'needs', ...allFields(catalogue).map(({ key }) => key)];
    expect(new Set(keys.map(environmentName)).size).toBe(keys.length);
    expect(environmentName('options.cross-water.seats')).toBe('DSP_OPTIONS__CROSS_WATER__SEATS');
  });

  it('can give any of them', async () => {
    const env = {
      DSP_NAME: 'quay',
      DSP_NEEDS: 'cross-water',
      DSP_OPTIONS__CROSS_WATER__SEATS: '7',
      DSP_LATENCY__P99MS: '',
    };
    const answers = await resolve({ env, yes: true, defaultName: 'pier' });
    expect(answers.get('name')).toEqual({ value: 'quay', origin: 'environment' });
    expect(answers.get('options.cross-water.seats')?.value).toBe(7);
    expect(answers.get('latency.p99Ms')?.origin).toBe('prior');
  });

  it('refuses what is meant for a key and names none, and leaves other variables alone', async () => {
    expect(await problemsOf({ env: { DSP_LATENCY__P99: '5' }, yes: true })).toEqual([
      'environment: DSP_LATENCY__P99 names no key of dsp.yaml; did you mean DSP_LATENCY__P99MS?',
    ]);
    const env = { DSP_DEPLOYMENT: 'x', PATH: '/bin', XDSP_LATENCY__P99: '1', DSP_LATENCY__P99: undefined };
    expect(await problemsOf({ env, yes: true, defaultName: 'pier' })).toEqual([]);
  });
});

describe('missing answers', () => {
  const missing = (sources: Partial<Sources>) =>
    resolve(sources).then(
      () => [],
      (error) => (error.code === 'input.missing' ? error.params.keys : Promise.reject(error)),
    );

  it('are named at once: what every need reads, before any is chosen', async () => {
    expect(await missing({})).toEqual([
      'needs',
      'name',
      'rate.readPerSecond',
      'rate.writePerSecond',
      'rate.peakFactor',
      'latency.p99Ms',
      'availability.target',
      'availability.recoveryMs',
      'cost.usdPerMonth',
    ]);
  });

  it('are those of the chosen needs, and no others', async () => {
    const ferry = await missing({ set: ['needs=cross-water', 'name=pier'] });
    expect(ferry).toContain('options.cross-water.fuel');
    expect(ferry).not.toContain('data.totalMiB');
    const warehouse = await missing({ set: ['needs=keep-things', 'name=pier'] });
    expect(warehouse).toContain('data.totalMiB');
    expect(warehouse.filter((key: string) => key.startsWith('options.'))).toEqual([]);
  });

  it('leave out what follows from another answer', async () => {
    const lacks = async (level: string) =>
      (await missing({ set: ['needs=keep-things', `consistency.level=${level}`] })).includes('consistency.stalenessMs');
    expect([await lacks('bounded'), await lacks('linearizable'), await lacks('eventual')]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('are none with --yes, which says so of each', async () => {
    const answers = await resolve({ yes: true, defaultName: 'pier' });
    expect(new Set([...answers.values()].map(({ origin }) => origin))).toEqual(new Set(['prior']));
    expect(requirementsOf(answers, catalogue)).toMatchObject({
      name: 'pier',
      needs: ['cross-water', 'keep-things'],
      rate: { readPerSecond: { low: 50, mid: 200, high: 1000 } },
      options: { 'cross-water': { seats: 40, fuel: 'wind', returns: true } },
      slo: {},
    });
    await expect(resolve({ yes: true, defaultName: 'No Name' })).rejects.toMatchObject({ params: { keys: ['name'] } });
  });
});

describe('contradictions', () => {
  it('between flag and file are found, at the flag', async () => {
    const sources = {
      set: ['data.totalMiB=0.001'],
      file: file('data: {payloadBytes: 5000}'),
      yes: true,
      defaultName: 'pier',
    };
    expect(await problemsOf(sources)).toEqual([': data.payloadBytes is 5000, more than all the data (0.001 MiB)']);
  });

  it('are found before anybody is asked', async () => {
    const set = ['rate.readPerSecond=0', 'rate.writePerSecond=0'];
    expect(await problemsOf({ set, ask: () => Promise.reject(new Error('asked')) })).toHaveLength(1);
  });

  it('refuse a flag for a need that is not chosen, and drop what a file says of it', async () => {
    const seats = 'options.cross-water.seats';
    const yes = { yes: true, defaultName: 'pier' };
    expect(await problemsOf({ ...yes, set: ['needs=keep-things', `${seats}=5`] })).toEqual([
      `--set: ${seats} is for a need that is not among needs (keep-things)`,
    ]);
    const kept = await resolve({
      ...yes,
      set: ['needs=keep-things'],
      file: file('options: {cross-water: {seats: 5}}'),
    });
    expect(requirementsOf(kept, catalogue).options).toEqual({});
  });
});
